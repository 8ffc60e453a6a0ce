"""Gradients so small that a processor computes with them in slow motion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Numbers below the smallest normal one (1e-38 in single precision) count as 0 on the CPU, in this thread.

    Weights that fall exponentially put gradients there, and x86 processors take ten to a hundred times as long for such
    numbers. Autograd's backward pass on the CPU runs in the calling thread and is covered.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
