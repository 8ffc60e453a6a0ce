"""`assay new`: the files of a new paper, from templates that pass lint, tests and the smoke scale at once."""

from __future__ import annotations

import re
from pathlib import Path

from assay.errors import UserError
from assay.system import places

TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "init.py.txt": "papers/{slug}/__init__.py",
    "module.py.txt": "papers/{slug}/module.py",
    "exact.py.txt": "papers/{slug}/exact.py",
    "claims.py.txt": "papers/{slug}/claims.py",
    "figures.py.txt": "papers/{slug}/figures.py",
    "README.md.txt": "papers/{slug}/README.md",
    "paper.yaml.txt": "conf/paper/{slug}.yaml",
    "test.py.txt": "tests/papers/test_{slug}.py",
}


def create(slug: str) -> list[Path]:
    """Write the files of a new paper and return their paths.

    Raises:
        UserError: the name is not a slug, or some of the files are there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
        raise UserError(f"'{slug}': a slug has small letters, digits and underscores, and begins with a letter")
    targets = {name: places.ROOT / path.format(slug=slug) for name, path in FILES.items()}
    taken = [path for path in targets.values() if path.exists()]
    if taken:
        raise UserError(f"{taken[0].relative_to(places.ROOT)} is there already")
    title = "".join(word.capitalize() for word in slug.split("_"))
    for name, path in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (TEMPLATES / name).read_text(encoding="utf-8")
        path.write_text(text.replace("SLUG", slug).replace("TITLE", title), encoding="utf-8")
    return list(targets.values())
