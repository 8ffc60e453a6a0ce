"""Environments with gymnasium's interface and their exact laws."""

from assay.envs.gridworld import ACTIONS, GridWorld

__all__ = ["ACTIONS", "GridWorld"]
