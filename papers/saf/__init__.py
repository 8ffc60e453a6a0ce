"""Du, Zhou, Feng, Tan and Zhou: Sharpness-Aware Training for Free. NeurIPS 2022."""
