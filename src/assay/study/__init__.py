"""What a paper's experiments are, which runs they take, and the tables of what came out."""
