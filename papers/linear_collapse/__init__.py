"""Neural Collapse in Deep Linear Networks: From Balanced to Imbalanced Data (arXiv 2301.00437)."""
