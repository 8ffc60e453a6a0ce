"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import pytest
from checkout import Checkout, make_checkout


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return make_checkout(tmp_path)
