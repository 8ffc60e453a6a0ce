"""Policy evaluation in continuous time by martingale losses and orthogonality conditions (arXiv 2108.06655)."""
