"""What a paper's author may get wrong in the types and numbers of claims and checks: nothing in Python keeps them.

Names of experiments, arms, gates and levels are looked at in `assay.review.judged`, once what stands here is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from assay.claims import Check, Claim, Condition, Count, Exact, Interval, Mean, Report
from assay.measures import Bound

KINDS = (Exact, Count, Interval, Mean, Report)


def lists(module: Any) -> list[str]:
    """What is wrong with the two lists that a `claims.py` has."""
    found = []
    for name, kind in (("CLAIMS", Claim), ("CHECKS", Check)):
        content = getattr(module, name, None)
        if content is None:
            found.append(f"there is no list {name}")
        elif not isinstance(content, (list, tuple)):
            found.append(f"{name} is a {type(content).__name__}, where a list is needed")
        else:
            found += [
                f"{name}[{i}] is a {type(one).__name__}, where a {kind.__name__} is needed"
                for i, one in enumerate(content)
                if not isinstance(one, kind)
            ]
    return found or [text for one in (*module.CLAIMS, *module.CHECKS) for text in _id(one)]


def _id(one: Claim | Check) -> Iterator[str]:
    what = type(one).__name__.lower()
    if not isinstance(one.id, str) or not one.id or one.id != one.id.strip():
        yield f"{what} {one.id!r}: an id is a text, without spaces around it"


def types(check: Check) -> Iterator[str]:
    """What of a check has another type than it must have; of one that has, nothing else can be looked at."""
    for name, value in (("serves", check.serves), ("gate", check.gate)):
        if isinstance(value, str) or not _texts(value):
            yield f"has {name}={value!r}, where a list is needed"
    each = check.gate_each
    if not isinstance(each, str) and not (isinstance(each, Mapping) and _texts([*each, *each.values()])):
        yield f"has gate_each={each!r}, where an id is needed, or ids by group"
    if not isinstance(check.kind, KINDS):
        yield f"has a {type(check.kind).__name__} for its kind; there are {', '.join(k.__name__ for k in KINDS)}"
        return
    if not _whole(check.looks):
        yield f"has looks={check.looks!r}, where a whole number is needed"
    kind = check.kind
    numbers: list[tuple[str, Any]] = []
    if isinstance(kind, Count):
        numbers = [("need", kind.need), ("against", kind.against)]
    elif isinstance(kind, Interval):
        numbers = [("margin", kind.margin), ("missing", kind.missing), ("level", kind.level)]
    for name, value in numbers:
        if value is not None and not _number(value):
            yield f"has {name}={value!r}, where a number is needed"
    groups = kind.groups
    pair = isinstance(groups, tuple) and len(groups) == 2 and all(map(_whole, groups))
    if not (isinstance(groups, str) or _whole(groups) or pair):
        yield f"has groups={groups!r}; there are 'all', 'any', k and (so many must hold, so many refute)"
    for condition in _conditions(kind):
        if not isinstance(condition, Condition):
            yield f"has a {type(condition).__name__} among its conditions"
        elif not isinstance(condition.bound, Bound) or not all(
            _number(end) for end in (condition.bound.low, condition.bound.high)
        ):
            yield f"has the bound {condition.bound!r}"


def numbers(check: Check, seeds: Iterable[int]) -> Iterator[str]:
    """Numbers of a check that no results could ever meet, or that contradict each other.

    Args:
        check: of the right types.
        seeds: how many units it is registered with at each scale, where its units are seeds.
    """
    kind = check.kind
    bounds = [condition.bound for condition in _conditions(kind)]
    if isinstance(kind, Interval) and kind.against is not None:
        bounds.append(kind.against)
    for bound in bounds:
        if not bound.low < bound.high and (bound.strict or bound.low != bound.high):
            yield f"has a bound that no number keeps: {bound}"
    if isinstance(kind, Count):
        for name, number in (("needs", kind.need), ("is refuted by", kind.against)):
            for n in dict.fromkeys(seeds):
                if number is not None and number > n:
                    yield f"{name} {number:g} units of {n}"
        need, against = kind.need, kind.against
        alike = need is not None and against is not None and (need < 1) == (against < 1)
        if need is not None and against is not None and alike and against >= need:
            yield f"needs {need:g} and is refuted by {against:g}: one number would do both"


def _conditions(kind: Any) -> list[Any]:
    found: list[Any] = []
    for part in (kind.conditions, getattr(kind, "undecided", ())):
        found += [part] if isinstance(part, Condition) else list(part) if isinstance(part, Sequence) else [part]
    return found


def _texts(value: Any) -> bool:
    return isinstance(value, Iterable) and all(isinstance(item, str) for item in value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
