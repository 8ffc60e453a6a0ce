"""High-dimensional dynamics of generalization error in neural networks: Advani, Saxe, Sompolinsky, arXiv 1710.03667."""
