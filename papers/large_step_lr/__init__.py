"""From Logistic Regression to the Perceptron Algorithm: Tyurin 2024, arXiv 2412.08424."""
