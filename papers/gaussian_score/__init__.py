"""The Unreasonable Effectiveness of Gaussian Score Approximation for Diffusion Models (Wang and Vastola, 2024)."""
