"""Data sets of the Hugging Face hub, through its library `datasets`, which keeps what it has fetched."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from assay.data.fetcher import offline, why_missing
from assay.errors import DataMissing
from assay.system.contents import report, unwatched


def hub_rows(name: str, split: str, title: str) -> Any:
    """A split of a data set of the hub.

    Args:
        name: its name on the hub.
        split: e.g. "train".
        title: what people call it.

    Raises:
        DataMissing: it is not in the library's cache and can't, or may not, be fetched.
    """
    try:
        with as_allowed(), unwatched():
            rows = importlib.import_module("datasets").load_dataset(name, split=split)
    except (OSError, ValueError) as error:
        raise DataMissing(
            f"{title} is not on this machine ({why_missing(error)}): run once where the Hugging Face hub can be "
            f"reached, or set HF_HOME to a cache that holds {name}"
        ) from None
    for file in getattr(rows, "cache_files", []):  # tables that Arrow maps into memory without telling Python
        report(file["filename"])
    return rows


@contextlib.contextmanager
def as_allowed() -> Iterator[None]:
    """Keep the hub's libraries to their cache where ASSAY_OFFLINE says so.

    They read a variable of their own once, when they are imported, and that may be before; so it is their switches
    that are set.
    """
    if not offline():
        yield
        return
    modules: list[Any] = [importlib.import_module(name) for name in ("huggingface_hub.constants", "datasets.config")]
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, was in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = was
