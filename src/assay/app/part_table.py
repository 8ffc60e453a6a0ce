"""What `assay parts` shows: every registered part, and which papers use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.config import loading
from assay.config.compose import is_choice
from assay.errors import unknown
from assay.registry import KINDS, REQUIRED
from assay.study.declared import Study


def part_rows(kind: str | None = None) -> list[dict[str, Any]]:
    """One row a part, of one kind or all."""
    loading.load_shared()
    for slug in loading.papers():
        loading.load_paper(slug)
    if kind is not None and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    used = users()
    return [
        {
            "kind": part.kind,
            "name": part.name,
            "values": ", ".join(_value(key, item.default) for key, item in part.fields.items()),
            "doc": part.doc,
            "source": part.source,
            "papers": ", ".join(sorted(used.get((part.kind, part.name), ()))),
        }
        for part in loading.everything()
        if kind is None or part.kind == kind
    ]


def _value(key: str, default: Any) -> str:
    if default is REQUIRED:
        return key
    plain = isinstance(default, (int, float, str, bool, type(None), list, tuple))
    return f"{key}={default if plain else type(default).__name__.lower()}"


def users() -> dict[tuple[str, str], set[str]]:
    """By (kind, name): the papers whose experiments choose that part."""
    used: dict[tuple[str, str], set[str]] = {}
    for slug in loading.papers():
        for key, name in _choices(Study.of(slug)):
            kind = _kind(key)
            if kind is not None:
                used.setdefault((kind, str(name)), set()).add(slug)
    return used


def _kind(key: str) -> str | None:
    """The kind that a choice's key stands for: "optimizer/kappa" is a kappa."""
    last = key.rpartition("/")[2]
    return last if last in KINDS else None


def _choices(study: Study) -> Iterator[tuple[str, Any]]:
    def of(layer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield from ((key, name) for key, name in layer.items() if is_choice(key))

    for experiment in study.experiments.values():
        yield from of(experiment.fix)
        for layer in experiment.arms.values():
            yield from of(layer)
        axes = [experiment.axes, *(at.axes for at in experiment.scales.values())]
        for levels in (levels for group in axes for levels in group.items()):
            key, values = levels
            if isinstance(values, dict):
                for layer in values.values():
                    yield from of(layer)
            elif is_choice(key):
                yield from ((key, name) for name in values)
        for at in experiment.scales.values():
            yield from of(at.fix)
            if isinstance(at.arms, dict):
                for layer in at.arms.values():
                    yield from of(layer)
