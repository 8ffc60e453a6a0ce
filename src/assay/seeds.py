"""Random numbers by named axis.

A run has one seed. Every source of randomness in it (data, split, noise, init, order, ...) draws from its own axis,
so that adding an axis never shifts another, more seeds never change the first ones, and two arms with the same seed
share whatever they have in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch


def derive(root: int, *axis: str | int) -> int:
    """The seed of one axis: a 63-bit integer, a pure function of the root seed and the axis' name parts.

    Raises:
        ValueError: a part holds the "/" that stands between parts: ("a", "b/c") would share draws with ("a/b", "c").
    """
    if any("/" in part for part in axis if isinstance(part, str)):
        raise ValueError(f"a random axis is named by parts without '/': {axis}")
    text = "/".join([str(root), *map(str, axis)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Seeds:
    """The named random axes of one run, derived from its seed."""

    root: int

    def axis(self, *name: str | int) -> int:
        """The integer seed of an axis, e.g. `axis("order", epoch)`."""
        return derive(self.root, *name)

    def torch(self, *name: str | int) -> torch.Generator:
        """A CPU generator for an axis."""
        return torch.Generator().manual_seed(self.axis(*name))

    def numpy(self, *name: str | int) -> np.random.Generator:
        """A numpy generator for an axis."""
        return np.random.default_rng(self.axis(*name))

    @contextmanager
    def torch_global(self, *name: str | int) -> Iterator[None]:
        """Draw from an axis through torch's global generator, e.g. while layers initialise themselves."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.axis(*name))
            yield
