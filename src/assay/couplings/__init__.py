"""Couplings: joint laws with given marginals, mostly of small entropy."""

from assay.couplings.base import Coupling, couplings, meet
from assay.couplings.greedy import MaxSeeking, ZeroSeeking
from assay.couplings.independent import Independent
from assay.couplings.sla import SuccessiveLinearisation

__all__ = ["Coupling", "Independent", "MaxSeeking", "SuccessiveLinearisation", "ZeroSeeking", "couplings", "meet"]
