"""Random axes: each draws for itself, and no two names share draws by accident."""

from __future__ import annotations

import pytest

from assay.seeds import Seeds, derive


def test_an_axis_is_a_pure_function_of_its_name():
    assert derive(3, "order", 1) == Seeds(3).axis("order", 1) == 5970557047402141468
    assert Seeds(3).torch("order", 1).initial_seed() == derive(3, "order", 1)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("a", "bc"), ("ab", "c")),
        (("a", "b"), ("ab",)),
        (("a", 12), ("a", 1, 2)),
        (("a", 1), ("a1",)),
        (("a",), ("a", "")),
    ],
)
def test_parts_of_a_name_are_kept_apart(one, two):
    assert derive(1, *one) != derive(1, *two)
    assert derive(12, *one) != derive(1, 2, *one)


def test_a_part_may_not_hold_what_stands_between_parts():
    # ("a", "b/c") would draw what ("a/b", "c") draws.
    for name in (("a", "b/c"), ("a/b", "c"), ("/",)):
        with pytest.raises(ValueError, match="without '/'"):
            derive(1, *name)
