"""What other machines found: whole sweeps of a paper elsewhere, kept beside its committed results.

A verdict that one machine came to may be that machine's. `assay publish PAPER --replication` appends what a whole
sweep gave to `papers/<slug>/results/<scale>/replications.json`: when, at which commit, on what (processor, cores,
torch), and for each check its verdict and number. The tables stay those of the first machine. Pages say on how many
machines a verdict held, the board marks a claim on which they disagree.

Of one machine its latest sweep counts. A sweep is compared only where it was asked the same: each check is kept with
a digest of its form, so that an amended check starts anew.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay.errors import UserError
from assay.records.store import write_atomically
from assay.report import wording
from assay.results import Results
from assay.review import verdicts as judged
from assay.review.judged import claim_verdict, counting
from assay.review.sources import committed_folder

FILE = "replications.json"


class Machine(BaseModel):
    """What a sweep ran on."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cpu: str
    cores: int = Field(ge=0)
    torch: str

    def __str__(self) -> str:
        return f"{self.cpu}, {wording.plural(self.cores, 'core')}, torch {self.torch}"


class Seen(BaseModel):
    """What a check came to."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    verdict: Literal["reproduced", "refuted", "inconclusive", "untested"] | None
    measured: float | Literal["nan", "inf", "-inf"] | None
    form: str


class Replication(BaseModel):
    """A whole sweep.

    Attributes:
        date: when its last run ended.
        commit: of the code that made its records; several are separated by commas.
        rerun: whether the same machine had been there before, at another commit.
        checks: by id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    date: datetime.date
    commit: str
    machine: Machine
    rerun: bool = False
    checks: dict[str, Seen]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = Field(alias="schema")
    paper: str
    scale: str
    replications: list[Replication] = []


def load(path: Path) -> list[Replication]:
    """The replications in a file; none where there is none.

    Raises:
        UserError: it holds something else.
    """
    if not path.exists():
        return []
    try:
        return _File.model_validate_json(path.read_bytes()).replications
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path} holds no replications: {where}: {first['msg']}") from None


def add(results: Results, verdicts: Mapping[str, Any]) -> Path:
    """Append what a whole sweep gave to the replications of a paper.

    The same machine at the same commit replaces what it said before; at another commit it is a rerun.

    Returns:
        The file written.

    Raises:
        UserError: there are no committed results, or they are of this machine at this commit.
    """
    paper, scale = results.paper, results.scale
    folder = committed_folder(paper, scale)
    original = published(folder)
    if original is None:
        raise UserError(
            f"{paper} has no committed results at scale {scale} to replicate; `assay publish {paper}` first"
        )
    mine = of_sweep(results.facts, verdicts)
    if _same(mine, original):
        raise UserError(f"{paper} ({scale}): the committed results are of this machine at this commit")
    path = folder / FILE
    found = load(path)
    before = next((i for i, one in enumerate(found) if _same(one, mine)), None)
    if before is not None:
        found[before] = mine.model_copy(update={"rerun": found[before].rerun})
    else:
        known = any(one.machine == mine.machine for one in [original, *found])
        found.append(mine.model_copy(update={"rerun": known}))
    content = _File(schema=1, paper=paper, scale=scale, replications=found).model_dump(mode="json", by_alias=True)
    for one in content["replications"]:
        if not one["rerun"]:
            del one["rerun"]
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def _same(a: Replication, b: Replication) -> bool:
    return a.machine == b.machine and a.commit == b.commit


def published(folder: Path) -> Replication | None:
    """The committed results in a folder as such a sweep; None where there are none."""
    if not (folder / "results.json").exists() or not (folder / "verdicts.json").exists():
        return None
    facts = json.loads((folder / "results.json").read_text(encoding="utf-8")).get("facts", {})
    return of_sweep(facts, judged.read(folder / "verdicts.json"))


def everything(folder: Path) -> list[Replication]:
    """The committed results in a folder, then all replications of them; none where there are none."""
    original = published(folder)
    return [] if original is None else [original, *load(folder / FILE)]


def of_here(verdicts: Mapping[str, Any]) -> Replication:
    """What this machine's runs came to, as the latest sweep of this machine."""
    from assay.records import digest as provenance

    facts = {"machine": provenance.machine(), "versions": provenance.versions(), "last": str(datetime.date.max)}
    return of_sweep(facts, verdicts)


def of_sweep(facts: Mapping[str, Any], verdicts: Mapping[str, Any]) -> Replication:
    """What a sweep came to, from the facts of its results."""
    last = str(facts.get("last", ""))[:10]
    try:
        date = datetime.date.fromisoformat(last)
    except ValueError:
        date = datetime.date.min
    checks = {
        row["id"]: Seen(verdict=row["verdict"], measured=row["measured"], form=digest(row))
        for row in verdicts["checks"]
    }
    commits = facts.get("commits") or [facts.get("commit")]
    return Replication(date=date, commit=", ".join(map(str, commits)), machine=machine_of(facts), checks=checks)


def machine_of(facts: Mapping[str, Any]) -> Machine:
    """What some results were made on; several kinds of machines are named one after the other."""
    told = [json.loads(text) if isinstance(text, str) else text for text in facts.get("machines") or ()]
    machines = [one for one in [*told, facts.get("machine")] if isinstance(one, dict)]
    torch = (facts.get("versions") or {}).get("torch", "unknown")
    return Machine(
        cpu="; ".join(sorted({str(one.get("cpu")) for one in machines})) or "unknown",
        cores=max((int(one.get("cores") or 0) for one in machines), default=0),
        torch=torch if isinstance(torch, str) else ", ".join(map(str, torch)),
    )


def digest(row: Mapping[str, Any]) -> str:
    """A check's form in a few letters: the same as long as the same is asked."""
    return hashlib.sha256(json.dumps(judged.nameless(row["form"]), sort_keys=True).encode()).hexdigest()[:12]


# -- agreement ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """On how many machines a verdict held.

    Attributes:
        same, of: machines that came to the same verdict, and all.
        others: what each other machine found, in words.
    """

    same: int
    of: int
    others: list[str]

    @property
    def text(self) -> str:
        """In words: "held on 2 of 2 machines"."""
        return f"held on {self.same} of {wording.plural(self.of, 'machine')}"


def held(own: Replication, verdicts: Mapping[str, Any], others: Sequence[Replication]) -> dict[str, Held]:
    """By check: on how many machines its verdict held; checks of which no other sweep tells are left out."""
    found = {}
    for row in verdicts["checks"]:
        if row["verdict"] in (None, "untested"):
            continue
        form = digest(row)
        telling = [one for one in others if row["id"] in one.checks and one.checks[row["id"]].form == form]
        if all(_same(one, own) for one in telling):
            continue
        latest = _latest([own, *telling])
        words = [
            f"{machine}{' (again)' if one.rerun else ''}: {_found(one.checks[row['id']])}"
            for machine, one in latest.items()
            if not _same(one, own)
        ]
        same = sum(one.checks[row["id"]].verdict == row["verdict"] for one in latest.values())
        found[row["id"]] = Held(same, len(latest), words)
    return found


def disagreements(own: Replication, verdicts: Mapping[str, Any], others: Sequence[Replication]) -> dict[str, str]:
    """By claim: what machines say of it, where they don't all say the same."""
    rows = verdicts["checks"]
    found = {}
    for claim in verdicts["claims"]:
        mine = counting(claim["id"], rows)
        asked = {row["id"]: digest(row) for row in mine}
        telling = [one for one in others if all(id in one.checks and one.checks[id].form == asked[id] for id in asked)]
        marks = [claim_verdict(one.checks[id].verdict for id in asked) for one in _latest([own, *telling]).values()]
        if len(set(marks)) > 1:
            told = (f"{verdict} on {marks.count(verdict)}" for verdict in wording.VERDICTS if verdict in marks)
            found[claim["id"]] = f"machines disagree: {', '.join(told)}"
    return found


def _latest(sweeps: Iterable[Replication]) -> dict[Machine, Replication]:
    """By machine its latest sweep."""
    return {one.machine: one for one in sorted(sweeps, key=lambda one: one.date)}


def _found(seen: Seen) -> str:
    number = "" if seen.measured is None else f" ({wording.number(seen.measured)})"
    return f"{seen.verdict}{number}"


# -- after one's own sweep ------------------------------------------------------------------------------------------


def differences(paper: str, scale: str, verdicts: Mapping[str, Any]) -> list[str]:
    """One line for each check on which a sweep here and the committed results differ.

    E.g. "check 6b: undecided here, reproduced there; same sign (0.22 here, 0.25 there)".
    """
    written = committed_folder(paper, scale) / "verdicts.json"
    if not written.exists():
        return []
    there = {row["id"]: row for row in judged.read(written)["checks"]}
    lines = []
    for row in verdicts["checks"]:
        other = there.get(row["id"])
        if other is None or row["verdict"] == other["verdict"]:
            continue
        if "untested" in (row["verdict"], other["verdict"]) or (row.get("looks") or {}).get("taken") == 0:
            continue  # what has not run here, or not there, does not differ
        lines.append(f"check {row['id']}: {_word(row)} here, {_word(other)} there{_numbers(row, other)}")
    return lines


def _word(row: Mapping[str, Any]) -> str:
    return "undecided" if row["verdict"] == "inconclusive" else str(row["verdict"] or "not judged")


def _numbers(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    if here["measured"] is None or there["measured"] is None:
        return ""
    ours, theirs = (wording.measured({**row, "interval": None}) for row in (here, there))
    told = f"{ours} here, {theirs} there"
    numbers = [wording.as_float(row["measured"]) for row in (here, there)]
    if here["kind"] not in ("interval", "mean") or None in numbers:
        return f"; {told}"
    bound = judged.bounds(here, wording.deciding(here))
    same = len({bound.holds(number) for number in numbers if number is not None}) == 1
    what = "sign" if bound.ends == [0] else "side of the bound"
    return f"; {'same' if same else 'other'} {what} ({told})"
