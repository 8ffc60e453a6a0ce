"""A new rule of code digests relabels what is done instead of killing it.

Digests of two rules say nothing about each other. But where a record's digest is the one that the old rule gives for
the sources just before the rule changed, the record was made by that code; and the change itself altered no number. So
what holds just before holds just after, and gets the digest of just after beside its own. Whether that is still the
digest of today is then an ordinary question.

Nothing of an old rule is kept here: the sources of a commit bring their own. They are read from the repository's
history into a temporary folder, and asked there.
"""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.config import compose
from assay.errors import UserError
from assay.records import digest
from assay.records.codes import combined, under
from assay.records.digest import RULE, rule_of
from assay.records.store import Record, Store, write_atomically
from assay.review.outdated import arm_parts, parts_of
from assay.review.sources import committed_folder
from assay.study.declared import Study, make_plan

Asked = tuple[str, tuple[str, ...]]
"""A paper and parts of a run, as "kind=name"."""

TRIED = f"relabelled-{RULE}.json"
"""In a store: the records that were looked at."""

ASK = """
import json, sys
from assay.registry import KINDS
try:
    from assay.config import compose
    from assay.records import digest as provenance
except ImportError:  # before src/assay had rooms
    from assay import compose, provenance

def digest(parts):
    try:
        return provenance.digest_of([KINDS[kind][name] for kind, name in (part.split("=", 1) for part in parts)])
    except Exception:
        return None

asked = json.load(sys.stdin)
for paper in sorted({paper for paper, _ in asked}):
    compose.load(paper)
print(json.dumps([digest(parts) for _, parts in asked]))
"""


def relabel(store: Store) -> int:
    """Give the finished records of an earlier rule the digest of the present one; returns how many hold.

    Raises:
        UserError: the history that tells is not here.
    """
    tried = set(_read(store.folder / TRIED, []))
    old = {r.signature: r for r in store if r.status == "done" and rule_of(under(RULE, r)) != RULE}
    open_ = {signature: record for signature, record in old.items() if signature not in tried}
    if not open_:
        write_atomically(store.folder / TRIED, json.dumps(sorted(tried)).encode())
        return 0
    before, after = change()
    compose.load(store.paper)
    asked = {signature: parts for signature, record in open_.items() if (parts := _parts(store.paper, record))}
    was, now = (dict(zip(asked, digests(commit, list(asked.values())), strict=True)) for commit in (before, after))
    attested = _read(store.folder / "attested.json", {})
    count = 0
    for record in _ordered(open_):
        needed = [store.read(signature) for signature in sorted(record.config.get("inputs", {}).values())]
        own, new = was.get(record.signature), now.get(record.signature)
        if own is None or new is None or draws(record.config):
            continue
        made_with = {record.code, *record.also, *attested.get(record.signature, [])}
        known = all(r is not None and rule_of(under(RULE, r)) == RULE for r in needed)
        if known and combined(own, needed) in made_with:
            store.label(record, combined(new, needed))
            count += 1
    write_atomically(store.folder / TRIED, json.dumps(sorted({*tried, *open_})).encode())
    return count


def relabel_and_say(store: Store) -> None:
    """As `relabel`, once a store, in a line where there was something to do; without the history they stay stale."""
    if (store.folder / TRIED).exists():
        return
    try:
        count = relabel(store)
    except UserError as error:
        print(f"{store.paper}: {error}; they count as stale", file=sys.stderr)
        return
    if count:
        print(f"{store.paper}: {count} records are of the same code by the new rule of digests; nothing is run again")


def _parts(paper: str, record: Record) -> Asked | None:
    try:
        return paper, tuple(parts_of(record.config))
    except (UserError, KeyError):
        return None  # of parts that are not there any more


def _ordered(records: Mapping[str, Record]) -> Iterator[Record]:
    """Records after those that they need."""
    given: set[str] = set()

    def give(signature: str) -> Iterator[Record]:
        if signature in records and signature not in given:
            given.add(signature)
            for needed in records[signature].config.get("inputs", {}).values():
                yield from give(needed)
            yield records[signature]

    for signature in records:
        yield from give(signature)


def draws(config: Mapping[str, Any]) -> bool:
    """Whether a run draws from the global generators at its steps: rule 2 came with other seeds for them."""
    model = config.get("model", {})
    return model.get("name") == "anp" or bool(model.get("dropout"))


# -- published tables -------------------------------------------------------------------------------------------------


def label_published(papers: Sequence[str], scale: str, same: str | None = None) -> list[dict[str, str]]:
    """Label published tables with the digest of the present rule, arm by arm; returns a row an arm.

    An arm is labelled where the old rule gives the same digests at the commits that made its tables and just before
    the rule changed. Others have no digest, and count as older than the code.

    Args:
        papers: their slugs.
        scale: which tables.
        same: a later commit that is known to compute the numbers of the one that changed the rule; its digests are
            taken then.
    """
    before, after = change()
    after = same or after
    wanted: dict[str, set[Asked]] = {}
    plans = {paper: make_plan(Study.of(paper), scale, lambda signature, name: 0.0) for paper in papers}
    arms: dict[tuple[str, str, str], set[Asked]] = {}
    whole: dict[tuple[str, str, str], Asked] = {}
    drawing: set[tuple[str, str, str]] = set()
    for paper, plan in plans.items():
        for name, of_arm in arm_parts(plan).items():
            for arm, parts in of_arm.items():
                whole[paper, name, arm] = (paper, tuple(parts))
        for cell in plan.cells:
            key, queue = (paper, cell.experiment, cell.arm), [cell.signature] if cell.signature else []
            while queue:
                run = plan.runs[queue.pop()]
                arms.setdefault(key, set()).add((paper, tuple(parts_of(run.config))))
                queue += run.needs
                if draws(run.config):
                    drawing.add(key)
        for commit in (before, *_facts(paper, scale)["commits"]):
            wanted.setdefault(commit, set()).update(*(of for key, of in arms.items() if key[0] == paper))
    found = {commit: _asked(commit, sorted(parts)) for commit, parts in wanted.items()}
    labels = _asked(after, sorted(whole.values()))
    rows = []
    for paper in papers:
        facts = _facts(paper, scale)
        codes: dict[str, dict[str, str | None]] = {}
        parts_kept: dict[str, dict[str, list[str]]] = {}
        for key in (key for key in whole if key[0] == paper):
            _, name, arm = key
            verdict = "labelled"
            if facts["dirty"] is not False:
                verdict = "made with uncommitted changes"
            elif any(found[c][of] is None or found[c][of] != found[before][of] for c in facts["commits"]
                     for of in arms[key]):  # fmt: skip
                verdict = "its code has changed since"
            elif key in drawing:
                verdict = "draws from the global generators"
            codes.setdefault(name, {})[arm] = labels[whole[key]] if verdict == "labelled" else None
            parts_kept.setdefault(name, {})[arm] = list(whole[key][1])
            rows.append({"paper": paper, "experiment": name, "arm": arm, "verdict": verdict})
        path = committed_folder(paper, scale) / "results.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["facts"] |= {"codes": codes, "parts": parts_kept}
        write_atomically(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
    return rows


def _facts(paper: str, scale: str) -> dict[str, Any]:
    path = committed_folder(paper, scale) / "results.json"
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["facts"]
    return facts


def _asked(commit: str, parts: Sequence[Asked]) -> dict[Asked, str | None]:
    return dict(zip(parts, digests(commit, parts), strict=True))


# -- the history ------------------------------------------------------------------------------------------------------


@functools.cache
def change() -> tuple[str, str]:
    """The commits just before and just after the present rule came to be.

    Raises:
        UserError: the history is not here.
    """
    try:
        words = ("log", "--reverse", "--format=%H", f"-SRULE = {RULE}", "--", "*/provenance.py", "*/records/digest.py")
        after = digest.git(*words).decode().split()[0]
        return digest.git("rev-parse", f"{after}^").decode().strip(), after
    except (OSError, subprocess.SubprocessError, IndexError):
        raise UserError("the repository's history is not here, so older records can't be compared with it") from None


def digests(commit: str, asked: Sequence[Asked]) -> list[str | None]:
    """What the sources of a commit say that the code digests of parts are, by the rule of that time.

    Raises:
        UserError: they can't be asked.
    """
    try:
        archive = digest.git(
            "archive", "--format=tar", commit, "--", "src", "papers", "conf", ":(exclude)papers/*/results"
        )
        with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
            path = os.pathsep.join([str(Path(folder) / "src"), folder])
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-c", ASK],
                input=json.dumps(asked), capture_output=True, encoding="utf-8", check=True, cwd=folder,
                env={**os.environ, "PYTHONPATH": path, "ASSAY_OFFLINE": "1"},
            )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"the sources of commit {commit[:12]} can't be asked ({type(error).__name__})") from None
    answer: list[str | None] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _read(path: Path, default: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return default
