"""Wang, Sankaran and Perdikaris: Respecting causality is all you need for training PINNs. arXiv 2203.07404."""
