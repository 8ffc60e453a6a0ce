"""Modules for made-up runs: `net` computes, `clock` and `watch` measure times."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from assay.module import modules


@pytest.fixture(autouse=True, scope="package")
def _made_up_modules():
    names = ("net", "clock", "watch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            modules, "parts", {name: SimpleNamespace(target=SimpleNamespace(alone=name != "net")) for name in names}
        )
        yield
