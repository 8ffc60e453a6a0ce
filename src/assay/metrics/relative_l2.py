"""The relative L2 error of a solution."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_l2(found: Tensor, reference: Tensor) -> float:
    """||found - reference|| / ||reference|| over all entries, in double precision; both of one shape."""
    if found.shape != reference.shape:
        raise ValueError(f"{tuple(found.shape)} and {tuple(reference.shape)} cannot be compared")
    reference = reference.double()
    return float(torch.linalg.vector_norm(found.double() - reference) / torch.linalg.vector_norm(reference))
