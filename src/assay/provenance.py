"""Which code a run depends on, and on what it ran.

The code digest of a run covers the definitions that it can reach by name, starting from the classes it builds:
following the syntax, not executing anything. A digest is of syntax trees without comments, docstrings, annotations,
import statements and file names, so a part that moves to another file keeps its digest, and a change in a report, a
launcher or another paper changes nothing. Modules inside a paper's own folder, and a short list of core numerics, count
whole.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from assay import places

CORE = ("assay.module", "assay.seeds")
"""Core numerics: every run depends on these modules whole."""

COMMIT_FILE = "commit.json"
"""Lies in a copy of the sources and says which commit they are of."""

NOT_NUMERIC = ("assay.registry", "assay.errors", "assay.records", "assay.launch", "assay.report", "assay.cli")
"""Modules whose content cannot change a run's numbers; definitions in them are not followed."""


class Module:
    """The top-level statements of one source file, by the names they define, and what its imports bind."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.is_package = path.name == "__init__.py"
        tree = ast.parse(path.read_text(), str(path))
        _strip(tree)
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.loose: list[ast.stmt] = []
        self.imports: dict[str, tuple[str, str | None]] = {}
        for statement in tree.body:
            self._take(statement)

    def _take(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ImportFrom):
            source = self._absolute(statement)
            for alias in statement.names:
                self.imports[alias.asname or alias.name] = (source, alias.name)
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                bound = alias.asname or alias.name.partition(".")[0]
                self.imports[bound] = (alias.name if alias.asname else bound, None)
        else:
            names = list(_bound(statement))
            for name in names:
                self.definitions.setdefault(name, []).append(statement)
            if not names:
                self.loose.append(statement)

    def _absolute(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        base = self.name.split(".")
        base = base[: len(base) - statement.level + (1 if self.is_package else 0)]
        return ".".join([*base, *([statement.module] if statement.module else [])])


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)) and isinstance(statement.target, ast.Name):
        yield statement.target.id
    elif isinstance(statement, ast.TypeAlias if hasattr(ast, "TypeAlias") else ()):
        yield statement.name.id  # type: ignore[attr-defined]


def _strip(tree: ast.AST) -> None:
    """Drop docstrings and annotations: they compute nothing, and a type's name would tie a run to that type's code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]  # type: ignore[attr-defined]


def _is_text(statement: Any) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@functools.cache
def module_source(name: str) -> Module | None:
    """The parsed source of one of our own modules; None for anything else."""
    if name.partition(".")[0] not in ("assay", "papers"):
        return None
    root = places.ROOT / "src" if name.startswith("assay") else places.PAPERS.parent
    path = root.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return Module(name, candidate)
    return None


def _whole(name: str) -> bool:
    return name in CORE or name.startswith("papers.")


def closure(start: Iterable[tuple[str, str]]) -> set[str]:
    """Digests of all definitions reachable from (module, name) pairs."""
    seen: set[tuple[str, str]] = set()
    digests: set[str] = set()
    entered: set[str] = set()
    queue = [*start]
    for core in CORE:
        queue += [(core, name) for name in getattr(module_source(core), "definitions", {})]
    while queue:
        key = queue.pop()
        if key in seen or key[0].startswith(NOT_NUMERIC):
            continue
        seen.add(key)
        module = module_source(key[0])
        if module is None:
            continue
        statements = module.definitions.get(key[1], [])
        if _whole(key[0]) and key[0] not in entered:
            entered.add(key[0])
            queue += [(key[0], name) for name in module.definitions]
            statements = [*statements, *module.loose]
        if not statements and key[1] in module.imports:
            queue.append(_target(*module.imports[key[1]]))
        for statement in statements:
            digests.add(_digest(statement))
            queue += _references(module, statement)
    return digests


def _digest(statement: ast.stmt) -> str:
    known: str | None = getattr(statement, "_assay_digest", None)
    if known is None:
        known = hashlib.sha256(ast.dump(statement).encode()).hexdigest()
        statement._assay_digest = known  # type: ignore[attr-defined]
    return known


def _target(source: str, name: str | None) -> tuple[str, str]:
    return (source, name or "")


def _references(module: Module, statement: ast.stmt) -> list[tuple[str, str]]:
    """The (module, name) pairs that a statement mentions: names, imported names, attributes of modules."""
    found: list[tuple[str, str]] = []
    local = dict(module.imports)
    for node in ast.walk(statement):  # imports inside functions
        if isinstance(node, ast.ImportFrom):
            source = module._absolute(node)
            local |= {alias.asname or alias.name: (source, alias.name) for alias in node.names}
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            if node.id in module.definitions:
                found.append((module.name, node.id))
            elif node.id in local:
                source, name = local[node.id]
                if name is not None:
                    found.append((source, name))
        elif isinstance(node, ast.Attribute):
            found += _attribute(node, local)
    return found


def _attribute(node: ast.Attribute, imports: dict[str, tuple[str, str | None]]) -> list[tuple[str, str]]:
    """`solvers.fista(...)` after `from assay import solvers`, or with the full path after `import assay.solvers`."""
    path = [node.attr]
    value: ast.expr = node.value
    while isinstance(value, ast.Attribute):
        path.append(value.attr)
        value = value.value
    if not isinstance(value, ast.Name) or value.id not in imports:
        return []
    source, name = imports[value.id]
    full = [*(source.split(".") if name is None else [*source.split("."), name]), *reversed(path)]
    return [(".".join(full[:-1]), full[-1])]


@functools.cache
def code_digest(targets: frozenset[tuple[str, str]]) -> str:
    """The code digest of a run that builds these (module, class) pairs; 16 hex digits."""
    return hashlib.sha256("\n".join(sorted(closure(targets))).encode()).hexdigest()[:16]


def digest_of(parts: Iterable[Any]) -> str:
    """The code digest of a run that builds these registered parts."""
    return code_digest(frozenset((part.target.__module__, part.target.__qualname__) for part in parts))


def forget() -> None:
    """Read the sources anew; a worker's digests are those of the code that it loaded."""
    module_source.cache_clear()
    code_digest.cache_clear()


# -- the machine ----------------------------------------------------------------------------------------------------


@functools.cache
def commit() -> dict[str, Any]:
    """The checkout's commit, and whether tracked files differ from it; of a copy, those of its original."""
    noted = places.ROOT / COMMIT_FILE
    if noted.exists():
        original: dict[str, Any] = json.loads(noted.read_text())
        return original
    try:
        head = _git("rev-parse", "HEAD")
        return {"commit": head, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _git(*args: str) -> str:
    command = ["git", "-C", str(places.ROOT), *args]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()  # noqa: S603


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("torch", "torchvision", "pytorch-lightning", "numpy", "scipy", "scikit-learn"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def machine() -> dict[str, Any]:
    """The hardware's kind; no host name, no path, nothing that tells whose machine it is."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return {"system": platform.system(), "cpu": cpu, "cores": os.cpu_count()}
