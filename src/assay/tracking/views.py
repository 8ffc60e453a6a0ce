"""W&B dashboards: one workspace view for each paper, and one report for the board.

They are built from results (this machine's, else the committed ones) with `wandb-workspaces`, and show the runs that
`assay wandb sync` sent: filtered by the paper (their group), grouped by setting (their job type), so that a line is
the mean over seeds with its standard error. Building needs no server. What is built from the same results is the same
to the last byte, so sending it again changes the views that are there instead of adding others.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from assay.config import loading
from assay.errors import RunFailed, UserError
from assay.records.store import write_atomically
from assay.report import board, catalogue, payload, style, wording
from assay.results import KEYS, Results
from assay.review import sources
from assay.review.sources import Found
from assay.system import places
from assay.tracking import sync

CURVES, BARS = 12, 18
"""Panels of each kind that one experiment gets at most."""

SHOWN = 4
"""Panels of a paper in the report."""

PAUSE = 1.5
"""Seconds between two requests: W&B allows some 50 a minute."""


def workspace(found: Found, entity: str, project: str) -> Any:
    """A paper's workspace view: a section for each experiment, its curves before its final measurements.

    Args:
        found: the paper's results and verdicts.
        entity, project: where it will be saved.
    """
    ws = _library("workspaces")
    results = _tables(found)
    return _numbered(
        ws.Workspace(
            entity=entity,
            project=project,
            name=view_name(found.paper),
            sections=[
                ws.Section(name=name, panels=panels, is_open=i < 3)
                for i, (name, panels) in enumerate(_panels(results).items())
            ],
            settings=ws.WorkspaceSettings(x_axis=sync.STEP, max_runs=100),
            runset_settings=ws.RunsetSettings(
                filters=[ws.Metric("Group") == found.paper],
                groupby=[ws.Metric("JobType")],
                order=[ws.Ordering(ws.Metric("Name"), ascending=True)],
                group_colors=dict(_colours(results)),
            ),
        ),
        found.paper,
    )


def _library(name: str) -> Any:
    """A module of `wandb-workspaces`: imported when it is needed, and untyped, for its names come by star imports."""
    return importlib.import_module(f"wandb_workspaces.{name}")


def view_name(paper: str) -> str:
    """What a paper's view is called."""
    return f"{paper}: {catalogue.load().get(paper).title}"[:128]


def report(found: Mapping[str, Found], entity: str, project: str) -> Any:
    """The board as a report: totals, and for each paper its claims with their verdicts and some of its panels.

    Args:
        found: by paper.
        entity, project: where it will be saved.
    """
    wr = _library("reports.v2")
    verdicts = [claim["verdict"] for one in found.values() for claim in one.verdicts["claims"]]
    books = catalogue.load()
    blocks: list[Any] = [
        wr.P(
            f"{len(found)} of {len(books.entries)} papers have results, with {wording.plural(len(verdicts), 'claim')}: "
            f"{wording.counts(verdicts)}. Claims and checks were written down before any run; verdicts are computed "
            "from the runs of this project."
        ),
        wr.TableOfContents(),
    ]
    for key, name in {**books.families, board.OTHERS: "Other papers"}.items():
        own = [one for one in found.values() if (books.get(one.paper).family or board.OTHERS) == key]
        if own:
            blocks.append(wr.H1(name))
            blocks += [block for one in own for block in _chapter(one)]
    title = "What held up, claim by claim"
    return wr.Report(entity=entity, project=project, title=title, blocks=blocks, width="fluid")


def _chapter(one: Found) -> list[Any]:
    """A paper in the report."""
    wr = _library("reports.v2")
    entry = catalogue.load().get(one.paper)
    cited: list[Any] = [f"{entry.citation} " if entry.citation else f"{one.paper} "]
    cited += [wr.Link(text=f"arXiv {entry.arxiv}", url=entry.url)] if entry.url else []
    lines = [
        f"{wording.SYMBOLS[claim['verdict']]} {wording.mark(claim['verdict'], one.scale)}, "
        f"{wording.held(claim['holds'])}: {claim['id']}. {claim['statement']}"
        for claim in one.verdicts["claims"]
    ]
    blocks: list[Any] = [
        wr.H2(entry.title),
        wr.P(cited),
        wr.UnorderedList(items=lines),
        *([wr.P(told)] if (told := "; ".join(filter(None, _to_know(one)))) else []),
        wr.P([wr.InlineCode(text=_command(one))]),
    ]
    panels = [panel for panels in _panels(_tables(one)).values() for panel in panels[:1]][:SHOWN]
    if panels:
        for i, panel in enumerate(panels):
            panel.layout = wr.Layout(x=12 * (i % 2), y=8 * (i // 2), w=12, h=8)
        # Without a project of its own a run set is that of the report, and nobody need be asked for its number.
        runs = wr.Runset(name=one.paper, filters=f"Metric('Group') == '{one.paper}'", groupby=["JobType"])
        blocks.append(_numbered(wr.PanelGrid(runsets=[runs], panels=panels), one.paper))
    return blocks


def _to_know(one: Found) -> list[str]:
    """What the marks stand on, and what is wrong beyond them."""
    return [wording.stands_for(one.verdicts), *wording.warnings(one.verdicts)]


def _command(one: Found) -> str:
    return f"make reproduce PAPER={one.paper}" + ("" if one.scale == "desk" else f" SCALE={one.scale}")


def _tables(found: Found) -> Results:
    empty = pl.DataFrame()
    return found.results or Results(found.paper, found.scale, empty, empty, empty)


def _panels(results: Results) -> dict[str, list[Any]]:
    """By experiment: a plot of each curve against the step, and bars of each final measurement."""
    wr = _library("reports.v2")
    mean: dict[str, Any] = {"groupby": "JobType", "groupby_aggfunc": "mean", "groupby_rangefunc": "stderr"}
    found: dict[str, list[Any]] = {}
    for experiment in results.runs["experiment"].unique(maintain_order=True) if len(results.runs) else ():
        curves = _curves(results, experiment)
        _, scalars = payload.columns(results.runs.filter(pl.col("experiment") == experiment))
        found[experiment] = [
            wr.LinePlot(title=name, x=sync.STEP, y=[name], title_x="step", log_y=log or None, **mean)
            for name, log in list(curves.items())[:CURVES]
        ] + [wr.BarPlot(title=name, metrics=[name], **mean) for name in scalars[:BARS]]
    return {experiment: panels for experiment, panels in found.items() if panels}


def _curves(results: Results, experiment: str) -> dict[str, bool]:
    """Names of an experiment's curves, losses first, and whether each spans so much that it needs a log axis."""
    frame = results.of(experiment, "curves")
    if frame.is_empty():
        return {}
    ranges = frame.filter(pl.col("value").is_finite()).group_by("name").agg(
        pl.col("value").min().alias("least"), pl.col("value").max().alias("most")
    )  # fmt: skip
    spans = {row["name"]: row["least"] > 0 and row["most"] / row["least"] > 300 for row in ranges.iter_rows(named=True)}
    return {name: spans[name] for name in sorted(spans, key=lambda name: ("loss" not in name, name))}


def _colours(results: Results) -> dict[str, str]:
    """The colour of each setting: its arm's, as in the paper's figures."""
    if results.runs.is_empty():
        return {}
    axes = [name for name in results.runs.columns if name not in (*KEYS, "seconds") and "/" not in name]
    found: dict[str, str] = {}
    for experiment in results.runs["experiment"].unique(maintain_order=True):
        rows = results.of(experiment)
        colours = style.colours(sorted(rows["arm"].unique()))
        for row in rows.iter_rows(named=True):
            given = {axis: row[axis] for axis in axes if row.get(axis) is not None}
            found.setdefault(sync.setting(experiment, row["arm"], given)[:64], colours[row["arm"]])
    return found


def _numbered(thing: Any, paper: str) -> Any:
    """The same thing with ids that follow from what it shows: the library draws random ones."""
    panels = thing.panels if hasattr(thing, "panels") else [p for section in thing.sections for p in section.panels]
    for i, panel in enumerate(panels):
        object.__setattr__(panel, "_id", _id(paper, type(thing).__name__, i, panel.title))
    if hasattr(thing, "runsets"):
        for runset in thing.runsets:
            object.__setattr__(runset, "_id", _id(paper, type(thing).__name__, "runs"))
    else:
        object.__setattr__(thing, "_internal_runset_id", _id(paper, "runs"))
    return thing


def _id(*words: Any) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:11]


# -- all of them ----------------------------------------------------------------------------------------------------


def build(papers: Sequence[str], scale: str, entity: str, project: str) -> dict[str, Any]:
    """The views of some papers (of all with results if none are named) and the report, by what they are called here.

    Raises:
        UserError: there are no results.
    """
    found = {paper: sources.judged(results) for paper, results in _results(papers or loading.papers(), scale)}
    lacking = [paper for paper in papers if paper not in found]
    if lacking or not found:
        raise UserError(f"no results at scale {scale} of {', '.join(lacking or loading.papers())}")
    views = {paper: workspace(one, entity, project) for paper, one in found.items()}
    return views if papers else {**views, "board": report(found, entity, project)}


def _results(papers: Iterable[str], scale: str) -> Iterable[tuple[str, Results]]:
    for paper in papers:
        results = sources.local(paper, scale) or sources.committed(paper, scale)
        if results is not None:
            yield paper, results


def spec(thing: Any) -> dict[str, Any]:
    """What is sent of a view or report: its name and its specification."""
    model = thing._to_model()
    content = json.loads(model.spec.model_dump_json(by_alias=True, exclude_none=True))
    return {"entity": thing.entity, "project": thing.project, "displayName": model.display_name, "spec": content}


def write(things: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write what would be sent as JSON, one file each."""
    written = []
    for name, thing in things.items():
        path = folder / f"{name}.json"
        write_atomically(path, orjson.dumps(spec(thing), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        written.append(path)
    return written


def send(
    things: Mapping[str, Any],
    told: Callable[[str], None] = lambda name: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """Save views and reports to W&B, one after the other; those sent before are changed, not doubled.

    Args:
        things: by what they are called here.
        told: told the name of each before it is sent.
        sleep: waits between two of them.

    Returns:
        Their addresses.

    Raises:
        RunFailed: W&B failed; those sent before are remembered, the same command goes on.
    """
    path = places.outputs() / "dashboards.json"
    known: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
    urls: dict[str, str] = {}
    for i, (name, thing) in enumerate(things.items()):
        told(name)
        own = known.setdefault(_place(thing), {})
        try:
            if i:
                sleep(PAUSE)
            own[name] = _save(thing, own.get(name, {}))
            urls[name] = thing.url
        except Exception as error:
            text = " ".join(str(error).split())[:200] or type(error).__name__
            raise RunFailed(f"W&B: {text}; {len(urls)} of {len(things)} were saved before") from error
        write_atomically(path, orjson.dumps(known, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    return urls


def _place(thing: Any) -> str:
    server = os.environ.get("WANDB_BASE_URL", "").rpartition("@")[2]
    return "/".join(filter(None, [server, thing.entity, thing.project]))


def _save(thing: Any, known: Mapping[str, str]) -> dict[str, str]:
    """Save a thing under the id that it had, if any; returns what to know it by."""
    if hasattr(thing, "sections"):
        object.__setattr__(thing, "_internal_name", known.get("name", ""))
        object.__setattr__(thing, "_internal_id", known.get("id", ""))
        thing.save()
        return {"name": thing._internal_name, "id": thing._internal_id}
    thing.id = known.get("id", "")
    thing.save()
    return {"id": thing.id}


def default_entity() -> str:
    """Whose the dashboards will be: WANDB_ENTITY, else the account's own.

    Raises:
        UserError: W&B is switched off, or no entity is named and no account is there to ask for one.
    """
    sync.see_that_it_is_on("to send them, or write files with --out")
    named = os.environ.get("WANDB_ENTITY")
    if named:
        return named
    wandb = sync.client()
    try:
        if not wandb.login(prompt=False, verify=False):
            raise UserError("no W&B key on this machine: run `wandb login`, or write files with --out")
        return str(wandb.Api().default_entity)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"W&B does not say whose account this is ({type(error).__name__}): set WANDB_ENTITY") from error
