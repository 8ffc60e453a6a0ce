"""The runs of a paper as compact JSON for the page's table.

Ten thousand runs with their configurations and curves must stay a few megabytes and open quickly. So each experiment
is a block of columns; what all its runs share in their configurations is kept once; curves are thinned to a budget
and their values are written as two characters each. `templates/page.js` reads this format back.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.report import wording
from assay.results import KEYS, Results

Details = Mapping[str, Mapping[str, Any]]
"""By signature: `config` (nested or with dotted keys), `seconds` (or `duration`), `command`, `commit`; all optional."""

SECONDS = "seconds"
"""A column of runs with this name is how long each took, not something that an experiment varies or measures."""

CURVE_CHARACTERS = 4_000_000
MOST_POINTS, LEAST_POINTS = 200, 8
LEVELS = 4095  # 12 bits; the last code means "no number"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def build(results: Results, checks: Sequence[Mapping[str, Any]], details: Details) -> dict[str, Any]:
    """Everything that the page's script needs.

    Args:
        results: its tables of runs and curves are read.
        checks: of `verdicts.json`; each gets the runs behind it.
        details: what is known of single runs beyond the tables.
    """
    runs = results.runs
    signatures = runs["signature"].unique(maintain_order=True).to_list() if len(runs) else []
    number = {signature: i for i, signature in enumerate(signatures)}
    names = runs["experiment"].unique(maintain_order=True).to_list() if len(runs) else []
    curves = _Curves(results.curves)
    blocks = [_block(name, runs.filter(pl.col("experiment") == name), number, details, curves) for name in names]
    return {
        "signatures": signatures,
        "experiments": blocks,
        "steps": curves.steps,
        "checks": {check["id"]: _ranges(number[s] for s in check["runs"] if s in number) for check in checks},
    }


def columns(frame: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Names of the axes and of the scalars among the columns of an experiment's runs; empty columns are left out."""
    axes: list[str] = []
    scalars: list[str] = []
    for name in frame.columns:
        if name in KEYS or name == SECONDS or frame[name].is_null().all():
            continue
        numeric = frame.schema[name].is_numeric() or frame.schema[name] == pl.Boolean
        (scalars if "/" in name and numeric else axes).append(name)
    return axes, scalars


def _block(
    name: str, frame: pl.DataFrame, number: Mapping[str, int], details: Details, curves: _Curves
) -> dict[str, Any]:
    axes, scalars = columns(frame)
    signatures = frame["signature"].to_list()
    known = [details.get(signature, {}) for signature in signatures]
    arms, arm = _coded(frame["arm"].to_list())
    commits, commit = _coded([k.get("commit") for k in known])
    commands, command = _coded([_template(k, signature) for signature, k in zip(signatures, known, strict=True)])
    return {
        "name": name,
        "signature": [number[s] for s in signatures],
        "arms": arms,
        "arm": arm,
        "seed": frame["seed"].to_list(),
        "extra": [i for i, registered in enumerate(frame["registered"].to_list()) if not registered],
        "axes": [{"name": axis, "values": [_plain(v) for v in frame[axis].to_list()]} for axis in axes],
        "scalars": [{"name": s, "values": [_plain(v) for v in frame[s].to_list()]} for s in scalars],
        "seconds": [_plain(value) for value in seconds(frame, details)],
        "commits": commits,
        "commit": commit,
        "commands": commands,
        "command": command,
        "config": _configs([k.get("config") for k in known]),
        "curves": curves.of(name, signatures),
    }


def seconds(frame: pl.DataFrame, details: Details) -> list[float | None]:
    """How long each run of a table took, where that is known."""
    own = frame[SECONDS].to_list() if SECONDS in frame.columns else [None] * len(frame)
    known = (details.get(signature, {}) for signature in frame["signature"].to_list()) if len(frame) else ()
    told = [wording.as_float(k.get(SECONDS, k.get("duration"))) for k in known]
    return [mine if theirs is None else theirs for mine, theirs in zip(own, told, strict=True)]


def _template(known: Mapping[str, Any], signature: str) -> str:
    """The command that repeats a run, with SIGNATURE for its signature, so that all runs share one text."""
    return str(known.get("command") or "assay run SIGNATURE").replace(signature, "SIGNATURE")


def _configs(configs: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """What all runs share, and for every other key its distinct values and which run has which; -1 for none."""
    flats = [wording.flat(config) if config else {} for config in configs]
    keys = list(dict.fromkeys(key for flat in flats for key in flat))
    common: dict[str, Any] = {}
    varying = []
    for key in keys:
        texts = [json.dumps(_plain(flat[key]), sort_keys=True) if key in flat else None for flat in flats]
        values, at = _coded(texts)
        if len(values) == 1 and values[0] is not None:
            common[key] = json.loads(values[0])
        else:
            plain = [None if value is None else json.loads(value) for value in values]
            missing = values.index(None) if None in values else -1
            varying.append({"key": key, "values": plain, "at": [-1 if i == missing else i for i in at]})
    return {"common": common, "varying": varying}


class _Curves:
    """The curves of all runs, thinned to a common budget."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.steps: list[list[Any]] = []
        self._seen: dict[bytes, int] = {}
        self._rows: dict[str, dict[str, dict[str, tuple[list[float], list[float]]]]] = {}
        count = 0
        if len(frame):
            keys = ["experiment", "name", "signature"]
            points = frame.select(*keys, "step", "value").unique([*keys, "step"], keep="first", maintain_order=True)
            grouped = points.sort("step", maintain_order=True).group_by(keys, maintain_order=True).agg("step", "value")
            for experiment, name, signature, steps, values in grouped.iter_rows():
                self._rows.setdefault(experiment, {}).setdefault(name, {})[signature] = (steps, values)
                count += 1
        self.points = max(LEAST_POINTS, min(MOST_POINTS, CURVE_CHARACTERS // (2 * max(1, count))))

    def of(self, experiment: str, signatures: Sequence[str]) -> list[dict[str, Any]]:
        """The curves of an experiment by name; a run's is [index into steps, least, most, code, 1 if log], or 0."""
        found = []
        for name in sorted(self._rows.get(experiment, {}), key=lambda name: ("loss" not in name, name)):
            by_run = self._rows[experiment][name]
            runs = [self._encoded(*by_run[s]) if s in by_run else 0 for s in signatures]
            found.append({"name": name, "runs": runs})
        return found

    def _encoded(self, steps: Sequence[float], values: Sequence[float | None]) -> list[Any]:
        import numpy as np

        keep = np.arange(len(steps))
        if len(steps) > self.points:
            keep = np.unique(np.linspace(0, len(steps) - 1, self.points).round().astype(int))
        y = np.asarray(values, dtype=float)[keep]
        finite = np.isfinite(y)
        low, high = (float(y[finite].min()), float(y[finite].max())) if finite.any() else (0.0, 0.0)
        log = low > 0 and high / low > 300
        scaled = np.log(np.where(finite, y, low) / low) if log else np.where(finite, y, low) - low
        span = (np.log(high / low) if log else high - low) or 1.0
        codes = np.where(finite, np.rint(scaled / span * (LEVELS - 1)), LEVELS).astype(int)
        text = _codes()[codes].tobytes().decode()
        x = np.asarray(steps, dtype=float)[keep]
        at = x.tobytes()
        if at not in self._seen:
            self._seen[at] = len(self.steps)
            self.steps.append([_plain(step) for step in x.tolist()])
        return [self._seen[at], _plain(low), _plain(high), text, *([1] if log else [])]


@functools.cache
def _codes() -> Any:
    """The two characters of each code, [4096]."""
    import numpy as np

    return np.array([a + b for a in ALPHABET for b in ALPHABET], dtype="S2")


def _coded(values: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Distinct values in order of appearance, and for each value its position among them."""
    positions: dict[Any, int] = {}
    at = [positions.setdefault(value, len(positions)) for value in values]
    return list(positions), at


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: six significant digits, words for infinities and NaN."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        short = float(f"{value:.6g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)  # JavaScript would round it
    if value is None or isinstance(value, (int, str, bool)):
        return value
    return [_plain(item) for item in value] if isinstance(value, (list, tuple, pl.Series)) else str(value)


def _ranges(numbers: Any) -> list[list[int]]:
    """Sorted whole numbers as [first, last] ranges."""
    found: list[list[int]] = []
    for n in sorted(set(numbers)):
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return found


def dump(content: Any) -> str:
    """JSON that can stand inside a `<script>` element whatever texts it holds."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)
    return re.sub("[<>&\u2028\u2029]", lambda m: f"\\u{ord(m[0]):04x}", text)
