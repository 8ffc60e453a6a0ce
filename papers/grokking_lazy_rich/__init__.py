"""Kumar, Bordelon, Gershman, Pehlevan: Grokking as the Transition from Lazy to Rich Training Dynamics (ICLR 2024)."""
