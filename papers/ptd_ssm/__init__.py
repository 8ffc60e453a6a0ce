"""Yu, Nigmetov, Morozov, Mahoney, Erichson: Robustifying State-space Models for Long Sequences. ICLR 2024."""
