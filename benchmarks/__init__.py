"""Assay's own cost, measured against bare loops."""
