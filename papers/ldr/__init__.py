"""Label Distributionally Robust Losses for Multi-class Classification (Zhu, Ying, Yang; ICML 2023; 2112.14869)."""
