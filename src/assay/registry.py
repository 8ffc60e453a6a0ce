"""Registries: a decorator makes a class a name, a typed configuration node and a row in `assay parts`.

A part is a class (or a factory function) with a typed signature. Registering it is all that is needed to choose it
on the command line: `loss=z_loss loss.a=0.2`. The node that Hydra composes carries the part's registered *name* and
its values, never an import path; `Registry.build` maps the name back to the class and refuses what is not registered,
so a configuration can select code but never bring any.

A parameter annotated with the base class of another registry is a nested part: it gets a Hydra group of its own
(`optimizer/kappa=huber`), and its default is the class of the default instance in the signature. A constructor that
hands `**rest` on to its base class has the base's parameters as its own, with the defaults that it does not repeat.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from assay.errors import UserError, unknown

T = TypeVar("T")

KINDS: dict[str, Registry[Any]] = {}
"""Every registry by kind; `loss`, `optimizer`, ... are Hydra groups of the same name."""

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Field:
    """One value of a part: its annotation, its default (`REQUIRED` if none), and the kind of part it nests, if any."""

    annotation: Any
    default: Any
    nests: str | None = None


@dataclass(frozen=True)
class Part:
    """A registered class or factory with what is known about it."""

    kind: str
    name: str
    target: Callable[..., Any]
    source: str
    fields: Mapping[str, Field]
    neutral: Mapping[str, Any] = field(default_factory=dict)
    reduced: Mapping[str, Any] = field(default_factory=dict)

    @property
    def doc(self) -> str:
        """The first line of the part's docstring."""
        return (inspect.getdoc(self.target) or "").partition("\n")[0]

    def defaults(self) -> dict[str, Any]:
        """The part's node with every default filled in, nested parts included; '???' where a value is required."""
        node: dict[str, Any] = {"name": self.name}
        for key, item in self.fields.items():
            if item.nests is not None:
                registry = KINDS[item.nests]
                node[key] = "???" if item.default is REQUIRED else registry.named(type(item.default)).defaults()
            else:
                node[key] = "???" if item.default is REQUIRED else _plain(item.default)
        return node


class Registry(Generic[T]):
    """The parts of one kind.

    Args:
        kind: name of the Hydra group, e.g. "loss".
        base: class that every part of this kind extends or returns; annotating a parameter with it nests a part.
        late: parameters that are not configuration because they are known only when the run is built, e.g. an
            optimizer's `params`. Parts of a registry with late parameters are built to factories.
    """

    def __init__(self, kind: str, base: type[T] | None = None, late: tuple[str, ...] = ()) -> None:
        if kind in KINDS:
            raise ValueError(f"a registry of kind '{kind}' exists already")
        self.kind, self.base, self.late = kind, base, late
        self.parts: dict[str, Part] = {}
        KINDS[kind] = self

    def register(
        self,
        name: str,
        *,
        source: str = "",
        neutral: Mapping[str, Any] | None = None,
        reduced: Mapping[str, Any] | None = None,
    ) -> Callable[[Callable[..., Any]], Any]:
        """Register a class or factory under a name.

        Args:
            name: what is typed on the command line.
            source: the paper or library that the part follows.
            neutral: for parameters added later, the value at which the part computes what it did before; a
                parameter at its neutral value is left out of signatures, so that old records stay valid.
            reduced: values that make a tiny version of a big part (depth, width, sizes); a paper-scale configuration
                is tried out with them.
        """

        def decorate(target: Callable[..., Any]) -> Any:
            known = self.parts.get(name)
            if known is not None and _origin(known.target) != _origin(target):
                raise ValueError(f"{self.kind} '{name}' is registered twice: {known.target!r} and {target!r}")
            fields = _fields(target, self.late)
            extra = {*(neutral or {}), *(reduced or {})} - set(fields)
            if extra:
                raise ValueError(f"{self.kind} '{name}': values for unknown parameters {sorted(extra)}")
            self.parts[name] = Part(self.kind, name, target, source, fields, dict(neutral or {}), dict(reduced or {}))
            return target

        return decorate

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts[name] for name in sorted(self.parts))

    def __contains__(self, name: str) -> bool:
        return name in self.parts

    def __getitem__(self, name: str) -> Part:
        if name not in self.parts:
            raise unknown(self.kind, str(name), self.parts)
        return self.parts[name]

    def named(self, target: Any) -> Part:
        """The part of a registered class."""
        for part in self.parts.values():
            if part.target is target:
                return part
        raise ValueError(f"{target!r} is not a registered {self.kind}")

    def build(self, node: Mapping[str, Any]) -> Any:
        """Build the part that a validated node describes: an instance, or a factory where parameters come late.

        Raises:
            UserError: an unregistered name, an unknown key or a value of the wrong type.
        """
        part, values = self.validate(node)
        kwargs = {
            key: KINDS[nests].build(value) if (nests := part.fields[key].nests) else value
            for key, value in values.items()
        }
        return functools.partial(part.target, **kwargs) if self.late else part.target(**kwargs)

    def validate(self, node: Mapping[str, Any], where: str = "") -> tuple[Part, dict[str, Any]]:
        """Check a node against the part's signature; returns the part and its values, coerced to their types."""
        where = where or self.kind
        if not isinstance(node, Mapping) or "name" not in node:
            raise UserError(f"{where}: no {self.kind} is chosen (add {where.replace('.', '/')}=NAME)")
        part = self[node["name"]]
        values: dict[str, Any] = {}
        for key, value in node.items():
            if key == "name":
                continue
            if key not in part.fields:
                raise unknown(f"value of {where}={part.name}", str(key), part.fields)
            nests = part.fields[key].nests
            if nests is not None:
                nested, inner = KINDS[nests].validate(value, f"{where}.{key}")
                values[key] = {"name": nested.name, **inner}
            else:
                values[key] = check_value(part.fields[key].annotation, value, f"{where}.{key}")
        for key, item in part.fields.items():
            if key not in values and item.default is REQUIRED:
                raise UserError(f"{where}.{key} has no value and no default (add {where}.{key}=VALUE)")
        return part, values


@functools.cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # pydantic refuses a config for types that carry their own
        return TypeAdapter(annotation)


def check_value(annotation: Any, value: Any, where: str) -> Any:
    """Validate one value against an annotation and return it in plain, canonical form (lists for tuples).

    Raises:
        UserError: naming the key, the value and the type expected.
    """
    if isinstance(value, str) and value == "???":
        raise UserError(f"{where} has no value and no default (add {where}=VALUE)")
    if isinstance(value, bool) and annotation in (int, float):
        raise UserError(f"{where}={value}: expected {_show(annotation)}")
    try:
        return _plain(_adapter(annotation).validate_python(value))
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UserError(f"{where}={value}: expected {_show(annotation)} ({reason.lower()})") from None


def kind_of_base(annotation: Any) -> str | None:
    """The kind whose base class this annotation is, if any."""
    for kind, registry in KINDS.items():
        if registry.base is not None and annotation is registry.base:
            return kind
    return None


def _fields(target: Callable[..., Any], late: tuple[str, ...]) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for function in _signatures(target):
        hints = get_type_hints(function, include_extras=True)
        for name, parameter in inspect.signature(function).parameters.items():
            if name in ("self", *late, *fields) or parameter.kind is parameter.VAR_KEYWORD:
                continue
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise TypeError(f"{target!r}: *{name} cannot be configured; name the parameters")
            if name not in hints:
                raise TypeError(f"{target!r}: parameter '{name}' needs a type annotation")
            fields[name] = Field(hints[name], parameter.default, kind_of_base(hints[name]))
    return fields


def _signatures(target: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The functions whose parameters configure a part: its constructor, and those that its `**rest` is handed on to."""
    if not inspect.isclass(target):
        own = [target]
    else:
        own = [vars(base)["__init__"] for base in target.__mro__ if "__init__" in vars(base)]
    hands_on = False
    for function in own:
        if function is object.__init__ or getattr(function, "__module__", "").startswith("torch"):
            break
        yield function
        hands_on = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
        if not hands_on:
            break
    if hands_on:
        raise TypeError(f"{target!r}: nothing takes its ** parameters; name the parameters")


def _plain(value: Any) -> Any:
    """A value as JSON would hold it; tuples become lists."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _origin(target: Callable[..., Any]) -> tuple[str, str]:
    return (target.__module__, target.__qualname__)


def _show(annotation: Any) -> str:
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation).replace("typing.", "")
