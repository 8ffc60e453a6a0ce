"""Linear algebra that no library has: matrices that are never formed, or never touched as a whole."""

from assay.linalg.factored_linear import FactoredSphericalLinear
from assay.linalg.rank_one_inverse import BlockInverse, DynamicRankOneInverse, Inverse, RankOneInverse

__all__ = ["BlockInverse", "DynamicRankOneInverse", "FactoredSphericalLinear", "Inverse", "RankOneInverse"]
