"""Reads our YAML files: configurations of papers, profiles of clusters, the catalogue.

YAML takes the last of two equal keys and says nothing; in a registered study that is an arm or an experiment that
disappears. So a key that stands twice in one mapping is an error here, with both lines. (A key beside `<<: *anchor`
overrides what is merged, as always.)
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from assay import places
from assay.errors import UserError


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
        _see_that_keys_differ(loader, node, where, set())
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _see_that_keys_differ(loader: Any, node: Any, where: str, seen: set[int]) -> None:
    import yaml

    if id(node) in seen or isinstance(node, yaml.ScalarNode):  # an anchor's node stands in several places
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _see_that_keys_differ(loader, item, where, seen)
        return
    first: dict[Any, int] = {}
    for key, value in node.value:
        plain = isinstance(key, yaml.ScalarNode)
        # `<<` and `=` have tags of their own, for which there is no value
        name = key.value if plain and key.value in ("<<", "=") else loader.construct_object(key, deep=True)
        line = key.start_mark.line + 1
        if isinstance(name, Hashable):
            if name in first:
                shown = key.value if plain else name
                raise UserError(
                    f"{where}, line {line}: '{shown}' stands there a second time (first in line {first[name]})"
                )
            first[name] = line
        _see_that_keys_differ(loader, value, where, seen)
