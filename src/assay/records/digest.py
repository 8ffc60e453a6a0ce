"""Which code a run depends on, and on what it ran.

The code digest of a run covers the definitions that it can reach by name, starting from the classes it builds:
following the syntax, not executing anything. A digest is of syntax trees without comments, docstrings, annotations,
imports and file names, so a part that moves to another file keeps its digest, and a change in a report, a launcher or
another paper changes nothing. Modules inside a paper's own folder, and a short list of core numerics, count whole.

This is rule 2. A digest begins with the number of its rule, because digests of two rules say nothing about each other;
one without a number is of rule 1, which hashed imports that stand inside functions and did not know what seeds and
builds a run. What the rule is:

- An import is followed and not hashed, at whatever depth it stands. Where it gives a thing of another library a name
  of its own (`import numpy as np`), the thing's own name counts; for what is ours it counts what the name leads to.
- Where a definition is reached, its module is imported, and so are the packages above it: what they do on being
  imported (`torch.use_deterministic_algorithms(True)`, a block, a registration) counts, with all that it refers to.
- Names are also found where they are bound in blocks (`try`, `if`, `for`, `with`). What stands under `TYPE_CHECKING`
  never runs, and what stands under `__name__ == "__main__"` runs in no import.
- Trees are written without their empty fields: those are what a new version of Python adds.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from assay.system import places

RULE = 2
"""The rule by which digests are made; its number stands before each."""

CORE = ("assay.module", "assay.seeds", "assay.run.build")
"""Core numerics: every run depends on these modules whole."""

COMMIT_FILE = "commit.json"
"""Lies in a copy of the sources and says which commit they are of."""

NOT_NUMERIC = (
    "assay.app.cli",
    "assay.system.contents",
    "assay.data.fetcher",  # files count by their content, wherever and however they were found
    "assay.data.hub",
    "assay.errors",
    "assay.launch",
    "assay.system.lightning",  # imports Lightning faster, and nothing else
    "assay.system.places",
    "assay.records.store",
    "assay.registry",  # hands a part the values that the signature holds
    "assay.report",
)
"""Modules whose content cannot change a run's numbers, with all below them; definitions in them are not followed."""

SOURCES = ("papers", "conf", "src")
"""Folders in which a file that nobody has committed makes a checkout another one than its commit."""

Key = tuple[str, str]
"""A module and a name in it."""


def within(name: str, tops: Iterable[str]) -> bool:
    """Whether a module is one of `tops` or lies below one."""
    return any(name == top or name.startswith(top + ".") for top in tops)


class Module:
    """The top-level statements of one source file, by the names they bind, and what its imports bind."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.is_package = path.name == "__init__.py"
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.loose: list[ast.stmt] = []
        self.imports: dict[str, list[tuple[str, str | None]]] = {}
        self.stars: list[str] = []
        self._references: dict[ast.stmt, list[tuple[str, Key | str]]] = {}
        for statement in _running(ast.parse(path.read_text(encoding="utf-8"), str(path)).body):
            self._take(statement)

    def _take(self, statement: ast.stmt) -> None:
        bound = _Bound(statement)
        for alias in bound.imports:
            for name, meaning in self._meanings(alias):
                self.imports.setdefault(name, []).append(meaning)
        local = self._imports_in(statement)
        attributes = self._attributes_of_classes(statement)
        kept = _stripped(statement)
        if kept is None:
            return
        for name in bound.names:
            self.definitions.setdefault(name, []).append(kept)
        if bound.block or bound.names <= {"_"}:
            self.loose.append(kept)
        kept._assay_imports = local  # type: ignore[attr-defined]
        kept._assay_attributes = attributes  # type: ignore[attr-defined]

    def _imports_in(self, statement: ast.stmt) -> dict[str, list[tuple[str, str | None]]]:
        """What the imports anywhere inside a statement bind."""
        found: dict[str, list[tuple[str, str | None]]] = {}
        for node in ast.walk(statement):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, meaning in self._meanings(node):
                    found.setdefault(name, []).append(meaning)
        return found

    def _attributes_of_classes(self, statement: ast.stmt) -> list[str]:
        """The names that imports make attributes of classes: they are used without being mentioned."""
        bodies = [node.body for node in ast.walk(statement) if isinstance(node, ast.ClassDef)]
        nodes = [node for body in bodies for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
        return [name for node in nodes for name, _ in self._meanings(node)]

    def _meanings(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, tuple[str, str | None]]]:
        """By bound name: the module and the name in it, or None for the module itself."""
        for alias in node.names:
            if isinstance(node, ast.Import):
                bound = alias.asname or alias.name.partition(".")[0]
                yield bound, (alias.name if alias.asname else bound, None)
            elif alias.name == "*":
                self.stars.append(self._absolute(node))
            else:
                yield alias.asname or alias.name, (self._absolute(node), alias.name)

    def _absolute(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        base = self.name.split(".")
        base = base[: len(base) - statement.level + (1 if self.is_package else 0)]
        return ".".join([*base, *([statement.module] if statement.module else [])])

    def binds(self, name: str) -> bool:
        """Whether the module has the name itself, so that a submodule of the same name is not meant."""
        return name in self.definitions or name in self.imports

    def references(self, statement: ast.stmt) -> list[tuple[str, Key | str]]:
        """What a statement mentions: by its text, a key of ours, or another library's name for what is renamed here."""
        if statement not in self._references:
            self._references[statement] = list(self._mentioned(statement))
        return self._references[statement]

    def _mentioned(self, statement: ast.stmt) -> Iterator[tuple[str, Key | str]]:
        local: dict[str, list[tuple[str, str | None]]] = getattr(statement, "_assay_imports", {})
        bases: set[int] = set()
        for name in getattr(statement, "_assay_attributes", ()):
            yield from self._name(name, local, alone=True)
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute):
                *_, root = path = _path(node)
                if isinstance(root, ast.Name):
                    bases.add(id(root))
                    attributes = [step.attr for step in path if isinstance(step, ast.Attribute)][::-1]
                    yield from self._attribute(root.id, attributes, local)
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                if node.id in self.definitions:
                    yield node.id, (self.name, node.id)
                yield from self._name(node.id, local, alone=id(node) not in bases)

    def _name(
        self, name: str, local: dict[str, list[tuple[str, str | None]]], alone: bool
    ) -> Iterator[tuple[str, Key | str]]:
        meanings = [*self.imports.get(name, []), *local.get(name, [])]
        for source, own in meanings:
            full = source if own is None else f"{source}.{own}"
            if not _ours(source):
                if full.rpartition(".")[2] != name:
                    yield name, full.rpartition(".")[2]
            elif own is not None and (package := module_source(source)) is not None and package.binds(own):
                yield name, (source, own)
            elif alone and (module := module_source(full)) is not None:
                # Handed on as it is: whoever gets it may look up any name in it.
                yield from ((f"{name}.{inner}", (full, inner)) for inner in module.definitions)
            elif own is not None:
                yield name, (source, own)
        if not meanings and name not in self.definitions:
            yield from ((name, (source, name)) for source in self.stars)

    def _attribute(
        self, root: str, attributes: list[str], local: dict[str, list[tuple[str, str | None]]]
    ) -> Iterator[tuple[str, Key | str]]:
        """`solvers.fista(...)` after `from assay import solvers`, or its full path after `import assay.solvers`."""
        for source, own in [*self.imports.get(root, []), *local.get(root, [])]:
            if _ours(source):
                above = ".".join([source, *([] if own is None else [own]), *attributes[:-1]])
                yield ".".join([root, *attributes]), (above, attributes[-1])


def _ours(module: str) -> bool:
    return module.partition(".")[0] in ("assay", "papers")


def _path(node: ast.Attribute) -> list[ast.expr]:
    """A dotted expression from its end to its root."""
    path: list[ast.expr] = [node]
    while isinstance(path[-1], ast.Attribute):
        path.append(path[-1].value)
    return path


BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, *([ast.TryStar] if hasattr(ast, "TryStar") else []))
INNER = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class _Bound(ast.NodeVisitor):
    """What a top-level statement binds in its module: names, and imports that stand in it; not inside definitions."""

    def __init__(self, statement: ast.stmt) -> None:
        self.names: set[str] = set()
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.block = isinstance(statement, BLOCKS)
        self.visit(statement)

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports.append(node)
        elif isinstance(node, DEFINITIONS):
            self.names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            self.names.add(node.id)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            self.names.add(node.name)
            self.generic_visit(node)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self.names.add(node.rest)
            self.generic_visit(node)
        elif not isinstance(node, INNER):
            self.generic_visit(node)


def _running(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that an import of their module runs, and imports for the type checker only, to be followed."""
    for statement in statements:
        test = getattr(statement, "test", None) if isinstance(statement, ast.If) else None
        if isinstance(statement, ast.If) and _is_type_checking(test):
            yield from (s for s in statement.body if isinstance(s, (ast.Import, ast.ImportFrom)))
            yield from _running(statement.orelse)
        elif isinstance(statement, ast.If) and test is not None and ast.unparse(test) in MAIN:
            yield from _running(statement.orelse)
        else:
            yield statement


MAIN = ("__name__ == '__main__'", "'__main__' == __name__")


def _is_type_checking(test: ast.expr | None) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _stripped(statement: ast.stmt) -> ast.stmt | None:
    """A statement without what computes nothing; None if nothing is left of it.

    Docstrings, `pass` and imports go, and annotations: a type's name would tie a run to that type's code.
    """
    for node in ast.walk(statement):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                setattr(node, name, [s for s in _running(inner) if not _is_nothing(s)])
    return None if _is_nothing(statement) else statement


def _is_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Try):
        inner = [node.body, node.orelse, node.finalbody, *(handler.body for handler in node.handlers)]
        return all(_is_nothing(s) for block in inner for s in block)
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _written(node: Any) -> Any:
    """A tree as nested tuples without its empty fields."""
    if isinstance(node, ast.AST):
        fields = ((name, _written(value)) for name, value in ast.iter_fields(node))
        return (type(node).__name__, *(field for field in fields if field[1] not in (None, ())))
    if isinstance(node, list):
        return tuple(map(_written, node))
    return node if node is None or isinstance(node, str) else (type(node).__name__, repr(node))


@functools.cache
def module_source(name: str) -> Module | None:
    """The parsed source of one of our own modules; None for anything else."""
    if not _ours(name):
        return None
    root = places.ROOT / "src" if within(name, ("assay",)) else places.PAPERS.parent
    path = root.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return Module(name, candidate)
    return None


@functools.cache
def resolved(key: Key) -> tuple[tuple[Key, ...], frozenset[str]]:
    """The definitions that a name leads to, through imports of imports, and the modules on the way to them."""
    found: dict[Key, None] = {}
    tried: set[Key] = set()
    queue = [key]
    while queue:
        at = queue.pop()
        module = None if at in tried or within(at[0], NOT_NUMERIC) else module_source(at[0])
        tried.add(at)
        if module is None:
            continue
        if at[1] in module.definitions:
            found[at] = None
        queue += [(source, own) for source, own in module.imports.get(at[1], []) if own is not None]
        if not module.binds(at[1]):
            queue += [(source, at[1]) for source in module.stars]
            if "__getattr__" in module.definitions:
                found[at[0], "__getattr__"] = None
    passed = {name for name, _ in tried if not within(name, NOT_NUMERIC) and module_source(name) is not None}
    return tuple(found), frozenset(passed)


def closure(start: Iterable[Key]) -> set[str]:
    """A digest for each statement that can be reached from (module, name) pairs, with what its names lead to."""
    taken: set[Key] = set()
    entered: set[str] = set()
    lines: set[str] = set()
    queue: list[Key] = [*start]
    statements: list[tuple[Module, ast.stmt]] = []

    def enter(name: str) -> None:
        steps = name.split(".")
        for depth in range(1, len(steps) + 1):
            above = ".".join(steps[:depth])
            module = None if above in entered or within(above, NOT_NUMERIC) else module_source(above)
            entered.add(above)
            if module is not None:
                statements.extend((module, statement) for statement in module.loose)
                if within(above, (*CORE, "papers")):
                    queue.extend((above, inner) for inner in module.definitions)

    for core in CORE:
        enter(core)
    while queue or statements:
        while queue:
            key = queue.pop()
            if key in taken:
                continue
            taken.add(key)
            definitions, passed = resolved(key)
            for name in passed - entered:
                enter(name)
            for at in definitions:
                module = module_source(at[0])
                if module is not None and (at == key or at not in taken):
                    taken.add(at)
                    statements.extend((module, statement) for statement in module.definitions[at[1]])
        while statements:
            module, statement = statements.pop()
            lines.add(_line(module, statement))
            queue += [target for _, target in module.references(statement) if not isinstance(target, str)]
    return lines


def _line(module: Module, statement: ast.stmt) -> str:
    """A statement's digest with what its names lead to: the same text under other imports is another program."""
    known: str | None = getattr(statement, "_assay_line", None)
    if known is None:
        leads = {f"{text} {target if isinstance(target, str) else _meant(target)}" for text, target in
                 module.references(statement)}  # fmt: skip
        known = _hash(_tree(statement), *sorted(leads))
        statement._assay_line = known  # type: ignore[attr-defined]
    return known


def _meant(key: Key) -> str:
    """The digest of the definitions that a name leads to; empty where they are not followed."""
    found = [(module_source(module), name) for module, name in resolved(key)[0]]
    return " ".join(
        sorted({_tree(s) for module, name in found if module is not None for s in module.definitions[name]})
    )


def _tree(statement: ast.stmt) -> str:
    known: str | None = getattr(statement, "_assay_tree", None)
    if known is None:
        known = _hash(repr(_written(statement)))
        statement._assay_tree = known  # type: ignore[attr-defined]
    return known


def _hash(*lines: str) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def named(digest: str, rule: int = RULE) -> str:
    """A digest under the rule by which it was made; 16 hex digits of it are kept."""
    return digest[:16] if rule == 1 else f"{rule}:{digest[:16]}"


def rule_of(code: str) -> int:
    """The rule of a digest; the first one left no number."""
    number, colon, _ = code.partition(":")
    return int(number) if colon else 1


def digits_of(code: str) -> str:
    """A digest without its rule's number."""
    return code.rpartition(":")[2]


@functools.cache
def code_digest(targets: frozenset[Key]) -> str:
    """The code digest of a run that builds these (module, class) pairs."""
    return named(_hash(*sorted(closure(targets))))


def digest_of(parts: Iterable[Any], *more: Key) -> str:
    """The code digest of a run that builds these registered parts, and uses what else is named."""
    return code_digest(frozenset([*((part.target.__module__, part.target.__qualname__) for part in parts), *more]))


def forget() -> None:
    """Read the sources anew; a worker's digests are those of the code that it loaded."""
    for cached in (module_source, resolved, code_digest):
        cached.cache_clear()


# -- the machine ----------------------------------------------------------------------------------------------------


@functools.cache
def commit() -> dict[str, Any]:
    """The checkout's commit, and whether its files differ from it; of a copy, those of its original.

    Nothing is said where the sources lie in no repository of their own: one around them says nothing about them.
    """
    noted = places.ROOT / COMMIT_FILE
    if noted.exists():
        original: dict[str, Any] = json.loads(noted.read_text(encoding="utf-8"))
        return original
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() == places.ROOT.resolve():
            return {"commit": _git("rev-parse", "HEAD"), "dirty": _dirty()}
    except (OSError, subprocess.SubprocessError):
        pass
    return {"commit": None, "dirty": None}


def _dirty() -> bool:
    """Whether tracked files differ from the commit, or there is code or configuration that nobody has added."""
    new = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *SOURCES).split("\0")
    return bool(_git("status", "--porcelain", "--untracked-files=no")) or any(
        Path(name).suffix in (".py", ".yaml", ".yml") for name in new
    )


def git(*args: str) -> bytes:
    """What git answers about this checkout.

    Variables that point git elsewhere (a hook sets some) are not meant for this question.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(places.ROOT), *args]
    return subprocess.run(command, capture_output=True, check=True, timeout=60, env=env).stdout  # noqa: S603


def _git(*args: str) -> str:
    return git(*args).decode("utf-8", "surrogateescape").strip()


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
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return {"system": platform.system(), "cpu": cpu, "cores": os.cpu_count()}
