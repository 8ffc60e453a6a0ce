"""What people look at: figures, the page of a paper, the board over all papers, the terminal's tables.

Everything here reads `Results` and the verdicts that `assay.claims.judge` made of them, and computes nothing new.
"""
