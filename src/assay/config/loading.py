"""Loads parts: importing a package is what registers its parts.

Every subpackage of `assay` with a module `base` holds the parts of one kind or more. A paper's parts register when
its folder's modules are imported; nothing outside this file imports a paper, and it does so by the name it is given.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import traceback
from pathlib import Path
from types import ModuleType

import assay
from assay.errors import UserError, unknown
from assay.registry import KINDS, Part
from assay.system import places
from assay.system.entry import uncollected

NOT_RUN = {"claims", "figures"}
"""Modules of a paper that runs never import: what judges and draws."""


def papers() -> list[str]:
    """Slugs of the papers that are here: folders of `papers/` with a configuration of the same name."""
    return sorted(path.stem for path in (places.CONF / "paper").glob("*.yaml") if (places.PAPERS / path.stem).is_dir())


def check_paper(slug: str) -> str:
    """The slug, if there is such a paper; else an error with the nearest names."""
    if slug not in papers():
        raise unknown("paper", slug, papers())
    return slug


@functools.cache
def load_shared() -> None:
    """Register the parts that papers share."""
    with uncollected():
        for module in pkgutil.iter_modules(assay.__path__):
            if module.ispkg and (Path(next(iter(assay.__path__))) / module.name / "base.py").exists():
                importlib.import_module(f"assay.{module.name}")
        importlib.import_module("assay.classifier")


@functools.cache
def load_paper(slug: str) -> None:
    """Register the shared parts and those of one paper."""
    load_shared()
    folder = places.PAPERS / check_paper(slug)
    for path in sorted(folder.glob("*.py")):
        if path.stem not in NOT_RUN and path.stem != "__init__":
            importlib.import_module(f"papers.{slug}.{path.stem}")


def load(slug: str | None) -> None:
    """Register what a paper's runs can use; for a study that is no paper (or None), the shared parts."""
    if slug in papers():
        load_paper(str(slug))
    else:
        load_shared()


def paper_module(slug: str, name: str) -> ModuleType | None:
    """One of a paper's modules that runs don't import ("claims", "figures"), or None where there is none.

    Raises:
        UserError: importing it raised something.
    """
    if not (places.PAPERS / slug / f"{name}.py").exists():
        return None
    load_paper(slug)
    try:
        return importlib.import_module(f"papers.{slug}.{name}")
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(places.PAPERS)]
        at = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        raise UserError(f"papers/{slug}/{name}.py: {type(error).__name__}: {error}{at}") from error


def everything() -> list[Part]:
    """All registered parts."""
    return [part for kind in sorted(KINDS) for part in KINDS[kind]]
