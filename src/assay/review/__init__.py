"""What results say about claims: verdicts, also of older commits and of two sides, and how old tables are."""
