"""Launchers: ways to get the runs of a plan done."""
