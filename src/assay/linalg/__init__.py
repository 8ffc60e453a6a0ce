"""Linear algebra that no library has: matrices that are never formed, or never touched as a whole."""

from assay.linalg.approximate_diagonalization import Modes, modes, perturb
from assay.linalg.factored_linear import FactoredSphericalLinear
from assay.linalg.hippo import dplr_split, eig_ptd, hippo_legs
from assay.linalg.rank_one_inverse import BlockInverse, DynamicRankOneInverse, Inverse, RankOneInverse

__all__ = [
    "BlockInverse",
    "DynamicRankOneInverse",
    "FactoredSphericalLinear",
    "Inverse",
    "Modes",
    "RankOneInverse",
    "dplr_split",
    "eig_ptd",
    "hippo_legs",
    "modes",
    "perturb",
]
