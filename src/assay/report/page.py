"""The page of a paper: one HTML file that works from disk, without a network, in ten years.

Everything on it is computed from `Results` and its verdicts. All text is escaped by the template engine; the page's
own policy forbids every request and every script but its own, so that no text of a configuration, a traceback or a
card can do anything but be read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.report import payload, replications, strips, wording
from assay.report.catalogue import Entry
from assay.report.figures import Drawn, Spec, render
from assay.report.replications import Held, Replication
from assay.results import Results
from assay.review.sources import committed_folder
from assay.review.verdicts import gated_by

ROWS_WITHOUT_SCRIPT = 50
LISTED_RUNS = 12
TEMPLATES = Path(__file__).parent / "templates"


def write_page(
    results: Results,
    verdicts: Mapping[str, Any],
    figures: Iterable[Spec | Drawn],
    out: Path,
    *,
    details: payload.Details | None = None,
    paper: Entry | None = None,
    board: str | None = "../../index.html",
    sweeps: Sequence[Replication] | None = None,
    outdated: Sequence[str] = (),
) -> Path:
    """Write a paper's page.

    Args:
        results: the tables of the paper at one scale.
        verdicts: what `assay.claims.judge` made of them.
        figures: declared figures, drawn here, or drawn ones.
        out: the HTML file, or a folder that gets an `index.html`.
        details: by signature, what single runs add to the tables: config, duration (s), command, commit.
        paper: title and citation; looked up in the catalogue by default.
        board: link to the board, relative to the page; None for no link.
        sweeps: the committed results and their replications, to compare with; looked up by default.
        outdated: experiments and arms whose results are older than the code, in words.

    Returns:
        The file written.
    """
    out = out / "index.html" if out.suffix != ".html" else out
    out.parent.mkdir(parents=True, exist_ok=True)
    content = html(
        results, verdicts, figures, details=details, paper=paper, board=board, sweeps=sweeps, outdated=outdated
    )
    temporary = out.with_name(f".{out.name}.tmp")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(out)
    return out


def html(
    results: Results,
    verdicts: Mapping[str, Any],
    figures: Iterable[Spec | Drawn],
    *,
    details: payload.Details | None = None,
    paper: Entry | None = None,
    board: str | None = None,
    sweeps: Sequence[Replication] | None = None,
    outdated: Sequence[str] = (),
) -> str:
    """The page as text; see `write_page`."""
    from assay.report import catalogue

    details = details or {}
    sweeps = replications.everything(committed_folder(results.paper, results.scale)) if sweeps is None else sweeps
    held = replications.held(replications.of_sweep(results.facts, verdicts), verdicts, sweeps)
    shown = {check["id"]: _check(check, verdicts["checks"], held.get(check["id"])) for check in verdicts["checks"]}
    claims = [_claim(claim, shown) for claim in verdicts["claims"]]
    data = payload.build(results, verdicts["checks"], details)
    return to_html(
        "page",
        paper=paper or catalogue.load().get(results.paper),
        scale=results.scale,
        board=board,
        claims=claims,
        loose=_loose(verdicts, shown),
        stands_for=wording.stands_for(verdicts),
        warnings=wording.warnings(verdicts, outdated),
        tally=wording.tally(claim["verdict"] for claim in verdicts["claims"]),
        meanings=wording.MEANINGS,
        figures=_draw(figures, results),
        experiments=_experiments(results, data),
        selections=_selections(results),
        rows=_rows(data, ROWS_WITHOUT_SCRIPT),
        total=sum(len(block["seed"]) for block in data["experiments"]),
        costs=_costs(results, details),
        failures=results.failures,
        facts=_facts(results.facts),
        payload=data,
    )


def to_html(name: str, **context: Any) -> str:
    """Render `<name>.html.j2` with the common style and `<name>.js`, under a policy that allows just these."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "interval": wording.interval,
        "duration": wording.duration,
        "hours": wording.hours,
        "at": wording.mark,
        "plural": wording.plural,
        "payload": lambda content: Markup(payload.dump(content)),  # noqa: S704 - escaped by `dump`
        "markup": Markup,  # only for pictures that `figures` and `strips` made
    }
    script = (TEMPLATES / f"{name}.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    template = environment.get_template(f"{name}.html.j2")
    css = (TEMPLATES / "common.css").read_text(encoding="utf-8") + figure_colours()
    return template.render(policy=policy, script=Markup(script), css=Markup(css), symbols=wording.SYMBOLS, **context)  # noqa: S704


def figure_colours() -> str:
    """The figures' colours as CSS variables, in the light and the dark theme."""
    from assay.report import style

    light = ";".join(f"--fig-{name}:{value}" for value, name in style.VARIABLES.items())
    dark = ";".join(f"--fig-{name}:{value}" for name, value in style.DARK.items())
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


# -- views ----------------------------------------------------------------------------------------------------------


LOOSE = {
    "code": ("Checks of the code", "They serve no claim of the paper: they show that our code does what it says."),
    "gates": ("Gates", "They serve no claim: where one does not hold, the checks that wait for it could not tell."),
    "others": ("Further checks", "They serve no claim of the paper."),
}
"""What stands under no claim: a title, and what it is."""


def _loose(verdicts: Mapping[str, Any], shown: Mapping[str, Any]) -> list[tuple[str, str, list[Any]]]:
    """The checks that serve no claim: those of the code, gates, others."""
    found: dict[str, list[Any]] = {}
    for check in verdicts["checks"]:
        if not check["serves"]:
            sort = "gates" if check.get("control") else "code" if check["kind"] == "exact" else "others"
            found.setdefault(sort, []).append(shown[check["id"]])
    return [(*LOOSE[sort], found[sort]) for sort in LOOSE if sort in found]


def _check(check: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], held: Held | None) -> dict[str, Any]:
    """A check as the template shows it."""
    extended = check.get("extended")
    return {
        **check,
        "anchored": False,
        "strips": strips.of_check(check),
        "headline": _headline(check),
        "drawn": strips.headline(check),
        "ends": wording.interval(check["interval"]),
        "coverage": wording.coverage(check),
        "asked": wording.asked(check),
        "look": wording.look(check),
        "again": wording.again(check),
        "without_gate": wording.without_gate(check),
        "gate_of": gated_by(rows, check["id"]),
        "waits_for": [(row["id"], row["verdict"]) for row in rows if row["id"] in check.get("gates", ())],
        "held": held,
        "error": check.get("error", ""),
        "listed": check["runs"][:LISTED_RUNS],
        "survives_holm": check.get("survives_holm"),
        "control": check.get("control", False),
        "extended": extended and {**extended, "text": wording.measured({**extended, "kind": "interval"})},
    }


def _headline(check: Mapping[str, Any]) -> str:
    if check["measured"] is None:
        return ""
    return wording.measured(check) if check["kind"] == "count" else wording.number(check["measured"])


def _claim(claim: Mapping[str, Any], shown: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A claim with its checks; a check that serves several claims is told whole under the first of them."""
    views = []
    for id in claim["checks"]:
        views.append({**shown[id], "whole": not shown[id]["anchored"], "home": shown[id].get("home", claim["id"])})
        shown[id] |= {"anchored": True, "home": views[-1]["home"]}
    return {**claim, "held": wording.held(claim["holds"]), "views": views}


def _draw(figures: Iterable[Spec | Drawn], results: Results) -> list[Drawn]:
    return [f if isinstance(f, Drawn) else render([f], results)[0] for f in figures]


def _experiments(results: Results, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was planned and what is there, by experiment."""
    counts = {block["name"]: len(block["seed"]) for block in data["experiments"]}
    names = list(dict.fromkeys([*results.expected, *counts]))
    rows = []
    for name in names:
        expected = results.expected.get(name)
        rows.append({"name": name, "rows": counts.get(name, 0), **(vars(expected) if expected else {})})
    return rows


def _selections(results: Results) -> list[dict[str, Any]]:
    """The tables of selection stages: what was tried on which measure, and what won."""
    found = []
    for experiment, stages in results.selections.items():
        for stage in stages if isinstance(stages, Sequence) and not isinstance(stages, str) else [stages]:
            rows = stage.get("candidates", [])
            keys = list(dict.fromkeys(key for row in rows for key in row.get("values", {})))
            found.append({
                "experiment": experiment,
                "by": stage.get("by", ""),
                "mode": {"max": "the most", "min": "the least"}.get(stage.get("mode", ""), "the best"),
                "per": ", ".join(f"{key} = {value}" for key, value in stage.get("per", {}).items()),
                "keys": keys,
                "rows": [
                    {
                        "values": [row.get("values", {}).get(key) for key in keys],
                        "score": row.get("score"),
                        "diverged": row.get("diverged", 0),
                        "widened": row.get("widened", 0),
                        "won": stage.get("winner") is not None and row.get("values") == stage["winner"],
                    }
                    for row in rows
                ],
                "winner": stage.get("winner"),
                "widened": any(row.get("widened") for row in rows),
                "on_edge": stage.get("on_edge", False),
            })  # fmt: skip
    return found


def _rows(data: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """The first rows of the table of runs, for a reader without scripts and for paper."""
    rows: list[dict[str, Any]] = []
    for block in data["experiments"]:
        for i, seed in enumerate(block["seed"]):
            if len(rows) == most:
                return rows
            axes = [(axis["name"], axis["values"][i]) for axis in block["axes"]]
            scalars = [(s["name"], s["values"][i]) for s in block["scalars"] if s["values"][i] is not None]
            rows.append({
                "experiment": block["name"],
                "arm": block["arms"][block["arm"][i]],
                "settings": ", ".join(f"{name} = {value}" for name, value in axes if value is not None),
                "seed": seed,
                "scalars": scalars[:3],
                "seconds": block["seconds"][i],
                "signature": data["signatures"][block["signature"][i]],
            })  # fmt: skip
    return rows


UNITS = ("CPU-hours", "GPU-hours")

COSTS = ("hours", "held", "core_seconds", "codes", "parts")
"""Facts that are shown as the page's costs, not among the rest of the provenance."""


def _costs(results: Results, details: payload.Details) -> dict[str, Any]:
    """What the runs took, by experiment and purpose, and in sum; results without such a table have a sum alone."""
    rows = list(results.facts.get("hours") or [])
    total = {unit: sum(row[unit] for row in rows) for unit in UNITS}
    if not rows:
        seconds = _seconds(results, details)
        total = {"CPU-hours": seconds / 3600} if seconds is not None else {}
    held = results.facts.get("held") or {}
    return {
        "rows": rows,
        "total": {unit: hours for unit, hours in total.items() if hours},
        "held": {unit: held[unit] for unit in UNITS if held.get(unit)},
        "runs": sum(row["runs"] for row in rows),
    }


def _seconds(results: Results, details: payload.Details) -> float | None:
    """Seconds of one core that all distinct runs took together, as far as they are known."""
    if "core_seconds" in results.facts:
        return wording.as_float(results.facts["core_seconds"])
    runs = results.runs.unique("signature", maintain_order=True) if len(results.runs) else results.runs
    known = [value for value in payload.seconds(runs, details) if value is not None] if len(runs) else []
    return sum(known) if known else None


def _facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Provenance as rows of text."""
    shown = []
    for key, value in wording.flat({k: v for k, v in facts.items() if k not in COSTS}).items():
        name = {"dirty": "uncommitted changes", "last": "last run finished"}.get(key, key.replace("_", " "))
        shown.append((name, "; ".join(map(_fact, value)) if isinstance(value, (list, tuple)) else _fact(value)))
    return shown


def _fact(value: Any) -> str:
    """A value of the provenance in words; a text that holds an object (a machine) is taken apart."""
    if value is None or value == "None":
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith("{"):
        try:
            return ", ".join(f"{key}: {_fact(item)}" for key, item in json.loads(value).items())
        except ValueError:
            return value
    return str(value)
