"""The code digest of a run, and the one answer to whether a record still holds.

A record holds for a digest that it carries (`Record.code`, and `Record.also` for what was shown to give the same
numbers) while the files that its numbers come from hold what they held. Digests name their rule, so those of two rules
are never equal: a new rule calls no record good that it knows nothing about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from assay.config import compose
from assay.records import digest
from assay.records.store import Record, Store
from assay.system import contents

SPREAD = ("assay.run.team", "Team")
"""What a run over several processes uses besides."""


def code_of(config: Mapping[str, Any], store: Store) -> str:
    """The code digest of a run: of the parts that it builds, and of the runs whose artefacts it reads."""
    return combined(
        own_code(config), [store.read(signature) for signature in sorted(config.get("inputs", {}).values())]
    )


def own_code(config: Mapping[str, Any]) -> str:
    """The code digest of the parts that a run builds."""
    more = [SPREAD] if max(compose.processes(config["trainer"])) > 1 else []
    return digest.digest_of(compose.chosen_parts(config), *more)


def combined(own: str, needed: Iterable[Record | None]) -> str:
    """A run's digest together with those of the runs that it needs, under the rule of its own."""
    rule = digest.rule_of(own)
    codes = ["missing" if record is None else under(rule, record) for record in needed]
    if not codes:
        return own
    return digest.named(hashlib.sha256(" ".join([own, *codes]).encode()).hexdigest(), rule)


def under(rule: int, record: Record) -> str:
    """A record's first digest by a rule; the one that it was made with if it has none."""
    return next((code for code in (record.code, *record.also) if digest.rule_of(code) == rule), record.code)


def holds(record: Record | None, code: str) -> bool:
    """Whether a record is what a run would leave that has this code and reads the files as they are now."""
    return record is not None and code in (record.code, *record.also) and not contents.changed(record.data)
