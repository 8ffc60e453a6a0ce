"""Linear algebra that no library has: inverses of matrices that are never formed."""

from assay.linalg.rank_one_inverse import BlockInverse, DynamicRankOneInverse, Inverse, RankOneInverse

__all__ = ["BlockInverse", "DynamicRankOneInverse", "Inverse", "RankOneInverse"]
