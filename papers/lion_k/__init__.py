"""Chen, Liu, Liang and Liu: Lion Secretly Solves Constrained Optimization, As Lyapunov Predicts. ICLR 2024."""
