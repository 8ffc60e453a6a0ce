"""What runs leave, and whether it still holds: the store, its locks, digests of the code that a run reaches."""
