"""Learning to Relax: Setting Solver Parameters Across a Sequence of Linear System Instances (Khodak, Chow, Balcan, Talwalkar; ICLR 2024; 2310.02246)."""  # noqa: E501
