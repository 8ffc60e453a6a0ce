"""Iterative solvers of linear systems and the problems that they are tried on; import from the modules below."""
