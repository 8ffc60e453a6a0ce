"""Frantar, Kurtic, Alistarh: M-FAC, Efficient Matrix-Free Approximations of Second-Order Information. NeurIPS 2021."""
