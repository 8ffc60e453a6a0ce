"""The code digest of a run, kept apart from the runner so that planning need not import a trainer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from assay import compose, provenance
from assay.records import Store


def code_of(config: Mapping[str, Any], store: Store) -> str:
    """The code digest of a run: of the parts that it builds, and of the runs whose artefacts it reads."""
    own = provenance.digest_of(compose.chosen_parts(config))
    needed = [store.read(signature) for signature in sorted(config.get("inputs", {}).values())]
    if not needed:
        return own
    text = " ".join([own, *(record.code if record else "missing" for record in needed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
