"""Derivatives of networks with respect to their inputs; import from the modules below."""
