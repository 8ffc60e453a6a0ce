"""Ebrahimi, Chen, Khisti: Minimum Entropy Coupling with Bottleneck, NeurIPS 2024, arXiv 2410.21666."""
