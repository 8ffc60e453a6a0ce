"""Bandits: learners that pick one of finitely many arms a round and see its cost alone."""

from assay.bandits.base import Bandit, bandits
from assay.bandits.cheb_cb import ChebCB
from assay.bandits.comparators import Fixed, Oracle
from assay.bandits.tsallis_inf import TsallisINF, TsallisINFBins, TsallisINFCode

__all__ = ["Bandit", "ChebCB", "Fixed", "Oracle", "TsallisINF", "TsallisINFBins", "TsallisINFCode", "bandits"]
