"""Korotin, Gushchin, Burnaev: Light Schroedinger Bridge. ICLR 2024, arXiv 2310.01174."""
