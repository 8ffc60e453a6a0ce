"""De Brébisson and Vincent: The Z-loss, a shift and scale invariant loss of the Spherical Family. arXiv 1604.08859."""
