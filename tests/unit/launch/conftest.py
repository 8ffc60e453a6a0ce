"""Modules for made-up runs: `net` computes, `clock` and `watch` measure times."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from assay.module import modules


@pytest.fixture(autouse=True)
def _made_up_modules(monkeypatch):
    names = ("net", "clock", "watch")
    parts = {name: SimpleNamespace(target=SimpleNamespace(alone=name != "net")) for name in names}
    monkeypatch.setattr(modules, "parts", parts)
