"""What all tests share: one thread, outputs that go to a temporary folder, hypothesis without a clock."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("WANDB_MODE", None)

import pytest
from hypothesis import settings

# On busy cores a first example takes seconds (torch starts lazily); a deadline would call that a failure.
settings.register_profile("assay", deadline=None, derandomize=True)
settings.load_profile("assay")


@pytest.fixture(autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _folders(tmp_path_factory, monkeypatch):
    base = tmp_path_factory.mktemp("assay")
    monkeypatch.setenv("ASSAY_OUTPUTS", str(base / "outputs"))
    monkeypatch.setenv("ASSAY_REPORTS", str(base / "reports"))
