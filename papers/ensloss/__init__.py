"""Dai: EnsLoss: Stochastic Calibrated Loss Ensembles for Preventing Overfitting in Classification. ICML 2025."""
