"""Reads our YAML files: configurations of papers, profiles of clusters, the catalogue.

YAML takes the last of two equal keys and says nothing; in a registered study that is an arm or an experiment that
disappears. So a key that stands twice in one mapping is an error here, with both lines. (A key beside `<<: *anchor`
overrides what is merged, as always.) And the YAML that Python reads is of 2005: 1:30:00 is a number in base 60 there
(5400), 060 one in base 8. A time would silently become another one, so such numbers are errors, too.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from assay.errors import UserError
from assay.system import places


def load(path: Path) -> Any:
    """The content of a file; None if it is empty.

    Raises:
        UserError: the file is no YAML, or a key stands twice.
    """
    where = path.relative_to(places.ROOT) if path.is_relative_to(places.ROOT) else path.name
    return parse(path.read_text(encoding="utf-8"), str(where))


def parse(text: str, where: str) -> Any:
    """The content of a text; `where` names it in errors."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _merge(loader, node, where, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _merge(loader: Any, node: Any, where: str, done: dict[int, dict[Any, Any]]) -> dict[Any, Any]:
    """See that the keys of all mappings below a node differ, and put in what they merge; the node's pairs by key.

    PyYAML merges, too, but gives a key of one letter the value that was to be overridden (6.0.4).
    """
    import yaml

    if isinstance(node, yaml.ScalarNode):
        _see_that_it_is_decimal(loader, node, where)
        return {}
    if id(node) in done:  # an anchor's node stands in several places
        return done[id(node)]
    done[id(node)] = pairs = dict[Any, Any]()
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _merge(loader, item, where, done)
        return pairs
    own: dict[Any, Any] = {}
    for key, value in node.value:
        merges = key.tag == "tag:yaml.org,2002:merge"
        name = "<<" if merges else loader.construct_object(key, deep=True)
        if not isinstance(name, Hashable):
            raise UserError(f"{where}, line {key.start_mark.line + 1}: a key must be plain, not {name}")
        if name in own:
            first = own[name][0].start_mark.line + 1
            shown = getattr(key, "value", name)
            raise UserError(
                f"{where}, line {key.start_mark.line + 1}: '{shown}' stands there a second time (first in line {first})"
            )
        own[name] = (key, value)
        _merge(loader, value, where, done)
        if merges:
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            if not all(isinstance(source, yaml.MappingNode) for source in sources):
                raise UserError(
                    f"{where}, line {key.start_mark.line + 1}: '<<' takes keys and values, or a list of such"
                )
            for source in sources:
                for merged, pair in done[id(source)].items():
                    pairs.setdefault(merged, pair)  # the first of several sources wins
    own.pop("<<", None)
    pairs |= own
    node.value = list(pairs.values())
    return pairs


def _see_that_it_is_decimal(loader: Any, node: Any, where: str) -> None:
    kind = node.tag.rpartition(":")[2]
    if kind not in ("int", "float"):
        return
    found = loader.construct_object(node)
    if ":" in node.value or (kind == "int" and str(found) != node.value.lstrip("+").replace("_", "")):
        line = node.start_mark.line + 1
        raise UserError(f"{where}, line {line}: YAML reads {node.value} as the number {found}; put it in quotes")
