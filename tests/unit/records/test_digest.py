"""The code digest covers what can change a run's numbers and nothing else; provenance states only what is known."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from assay.records import digest as provenance
from assay.records.digest import code_digest, within
from assay.system import places

FILES = {
    "src/assay/module.py": "from assay.parts_of_it import helper\ndef core():\n    return helper()\n",
    "src/assay/parts_of_it.py": "def helper():\n    return 1\n\ndef unrelated():\n    return 2\n",
    "src/assay/seeds.py": "def derive(root):\n    return root\n",
    "src/assay/run/build.py": "import torch\ndef build(seeds):\n    torch.manual_seed(seeds.axis('global'))\n",
    "src/assay/data/fetcher.py": "import os\ndef offline():\n    return os.environ.get('ASSAY_OFFLINE')\n",
    "src/assay/data/sets.py": "from assay.data.fetcher import offline\ndef read():\n    return offline()\n",
    "src/assay/climate/__init__.py": "",
    "src/assay/climate/parts.py": "def warm():\n    return 3\n",
    "src/assay/shared.py": "def used():\n    return 1\n\ndef other():\n    return 2\n",
    "papers/one/module.py": """
from assay.climate.parts import warm
from assay.data.sets import read
from assay.shared import used

class Net:
    def go(self):
        return used() + read() + warm()
""",
}


class Tree:
    def __init__(self, root):
        self.root = root
        for file, text in FILES.items():
            self.write(file, text)

    def write(self, file, text):
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, file, old, new):
        text = (self.root / file).read_text(encoding="utf-8")
        assert old in text
        self.write(file, text.replace(old, new))

    def digest(self, module="papers.one.module", name="Net"):
        provenance.forget()
        return code_digest(frozenset({(module, name)}))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(places, "PAPERS", tmp_path / "papers")
    yield Tree(tmp_path)
    provenance.forget()


def changes(tree, file, old, new, **target):
    before = tree.digest(**target)
    tree.edit(file, old, new)
    return tree.digest(**target) != before


def test_a_digest_names_its_rule(tree):
    digest = tree.digest()
    assert digest.startswith("2:") and len(digest) == 18
    assert provenance.rule_of(digest) == 2 and provenance.rule_of("0123456789abcdef") == 1
    assert provenance.digits_of(digest) == digest[2:] and provenance.digits_of("0123") == "0123"


def test_what_a_run_reaches_counts_and_what_it_does_not_reach_does_not(tree):
    assert changes(tree, "src/assay/shared.py", "return 1", "return 10")
    assert not changes(tree, "src/assay/shared.py", "return 2", "return 20")
    assert not changes(tree, "src/assay/shared.py", "def used():", 'def used() -> int:  # said\n    """Why."""')


@pytest.mark.parametrize(
    "where",
    [
        "def late():\n    from {} import helper as h\n    return h()\n",
        "class Late:\n    from {} import helper\nhelper = Late.helper\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {} import helper\n",
        "if __debug__:\n    from {} import helper\n",
        "try:\n    from {} import helper\nexcept ImportError:\n    helper = None\n",
    ],
)
def test_an_import_is_followed_and_not_hashed_at_any_depth(tree, where):
    tree.edit("src/assay/module.py", "from assay.parts_of_it import helper\n", "")
    tree.edit("src/assay/module.py", "def core", where.format("assay.parts_of_it") + "def core")
    # The same file under another name: nothing has changed.
    shutil.copy(tree.root / "src/assay/parts_of_it.py", tree.root / "src/assay/renamed.py")
    assert not changes(tree, "src/assay/module.py", "assay.parts_of_it", "assay.renamed")
    # What the import leads to counts; what stands beside it does not.
    assert changes(tree, "src/assay/renamed.py", "return 1", "return 10")
    assert not changes(tree, "src/assay/renamed.py", "return 2", "return 20")


def test_imports_that_nobody_uses_are_nothing(tree):
    assert not changes(tree, "src/assay/module.py", "def core", "import os\nfrom assay.shared import used\ndef core")
    assert not changes(tree, "src/assay/module.py", "    return helper()", "    import os\n    return helper()")


def test_an_import_that_gives_other_things_the_same_names_is_seen(tree):
    tree.write("src/assay/shared.py", "def used():\n    return 1\n\ndef other():\n    return 2\n")
    tree.edit("papers/one/module.py", "import used", "import used as f, other as g")
    tree.edit("papers/one/module.py", "used() + read()", "f() - g() + read()")
    assert changes(tree, "papers/one/module.py", "used as f, other as g", "other as f, used as g")
    tree.edit("papers/one/module.py", "class Net", "from math import sin as wave\nclass Net")
    tree.edit("papers/one/module.py", "f() - g()", "wave(f() - g())")
    assert changes(tree, "papers/one/module.py", "sin as wave", "cos as wave")
    assert not changes(tree, "papers/one/module.py", "from math", "from cmath")
    tree.edit("papers/one/module.py", "wave(f()", "np.sum(f()")
    tree.edit("papers/one/module.py", "from cmath import cos as wave", "import numpy as np")
    assert not changes(
        tree, "papers/one/module.py", "import numpy as np\nclass", "import os\nimport numpy as np\nclass"
    )
    assert changes(tree, "papers/one/module.py", "import numpy as np", "import torch as np")


def test_modules_are_matched_by_whole_names(tree):
    assert within("assay.app.cli", ("assay.app.cli",)) and within("assay.app.cli.words", ("assay.app.cli",))
    assert not within("assay.climate", ("assay.app.cli",)) and not within("papersize", ("papers",))
    assert changes(tree, "src/assay/climate/parts.py", "return 3", "return 30")


@pytest.mark.parametrize(
    "loose",
    [
        "torch.use_deterministic_algorithms(True)",
        "torch.backends.cudnn.benchmark = True",
        "SETTINGS['x'] = 1",
        "_ = torch.set_num_threads(1)",
        "for name in ('a', 'b'):\n    torch.set(name)",
        "if torch.here():\n    torch.set(1)",
        "with torch.some():\n    torch.set(1)",
        "try:\n    torch.set(1)\nexcept ValueError:\n    pass",
        "register('x')(used)",
        "del torch.x",
    ],
)
@pytest.mark.parametrize("file", ["papers/one/module.py", "src/assay/shared.py", "src/assay/__init__.py"])
def test_what_a_module_does_when_it_is_imported_counts(tree, loose, file):
    before = tree.digest()
    path = tree.root / file
    tree.write(file, (path.read_text(encoding="utf-8") if path.exists() else "") + f"\n{loose}\n")
    assert tree.digest() != before


def test_what_loose_statements_refer_to_is_followed(tree):
    tree.write("src/assay/setting.py", "def set_up():\n    return 1\n")
    tree.edit("src/assay/shared.py", "def other", "from assay.setting import set_up\nset_up()\n\ndef other")
    assert changes(tree, "src/assay/setting.py", "return 1", "return 10")
    # A module of which nothing is reached is not imported.
    tree.write("src/assay/elsewhere.py", "print(1)\n")
    assert not changes(tree, "src/assay/elsewhere.py", "print(1)", "print(2)")


def test_what_never_runs_in_an_import_does_not_count(tree):
    for dead in ("if __name__ == '__main__':\n    used()", "if TYPE_CHECKING:\n    X = 1", "pass", "'words'"):
        assert not changes(tree, "src/assay/shared.py", "def other", f"{dead}\n\ndef other"), dead


@pytest.mark.parametrize(
    "block",
    [
        "try:\n    import fast\n    def scale():\n        return 5\nexcept ImportError:\n    def scale():\n        return 6",
        "if FAST:\n    scale = lambda: 5\nelse:\n    scale = lambda: 6",
        "for scale in (5, 6):\n    pass",
        "with some() as scale:\n    five = 5 + 6",
        "if (scale := 5 + 6):\n    pass",
    ],
)
def test_names_bound_in_blocks_are_found(tree, block):
    tree.write("src/assay/blocks.py", block + "\n")
    # Through a module that only hands the name on: without the name nothing would lead to the block.
    tree.edit("papers/one/module.py", "class Net", "from assay.blocks import scale\nclass Net")
    tree.edit("papers/one/module.py", "used() + read()", "used() + scale + read()")
    assert provenance.resolved(("assay.blocks", "scale"))[0] == (("assay.blocks", "scale"),)
    assert changes(tree, "src/assay/blocks.py", "6", "7")


def test_both_imports_of_one_name_in_a_class_are_followed(tree):
    tree.write("src/assay/a.py", "def f():\n    return 1\n")
    tree.write("src/assay/b.py", "def f():\n    return 2\n")
    tree.edit(
        "src/assay/module.py",
        "def core",
        "class Two:\n    def x(self):\n        from assay.a import f\n        return f()\n"
        "    def y(self):\n        from assay.b import f\n        return f()\n\ndef core",
    )
    assert changes(tree, "src/assay/a.py", "1", "10") and changes(tree, "src/assay/b.py", "2", "20")


def test_attributes_of_modules_are_followed_however_they_were_imported(tree):
    for line, use in (
        ("from assay import extra", "extra.f()"),
        ("import assay.extra", "assay.extra.f()"),
        ("import assay.extra as e", "e.f()"),
        ("from assay import extra", "getattr(extra, name)()"),
        ("from assay.extra import *", "f()"),
    ):
        for inside in (False, True):
            tree.write("src/assay/extra.py", "def f():\n    return 1\n")
            text = "def core():\n    " + (f"{line}\n    " if inside and "*" not in line else "") + f"return {use}\n"
            tree.write("src/assay/module.py", text if inside and "*" not in line else f"{line}\n{text}")
            assert changes(tree, "src/assay/extra.py", "1", "10"), (line, inside)


def test_what_seeds_and_builds_a_run_counts_and_what_fetches_data_does_not(tree):
    assert changes(tree, "src/assay/run/build.py", "'global'", "'globe'")
    assert changes(tree, "src/assay/seeds.py", "return root", "return root + 1")
    assert not changes(tree, "src/assay/data/fetcher.py", "'ASSAY_OFFLINE'", "'ASSAY_OFFLINE', '0'")


def test_the_real_core_is_declared_and_short():
    provenance.forget()
    alone = provenance.closure([])
    assert len(alone) < 30 and all(provenance.module_source(name) for name in provenance.CORE)
    assert provenance.module_source("assay.run.build").definitions.keys() >= {"build", "move_data"}
    assert not any(provenance.within("assay.run.team", provenance.NOT_NUMERIC) for _ in [0])


def test_a_part_may_move(tree):
    before = tree.digest()
    tree.edit("src/assay/shared.py", "def used():\n    return 1\n", "from assay.moved import used\n")
    tree.write("src/assay/moved.py", "def used():\n    return 1\n")
    assert tree.digest() == before


# -- the commit -------------------------------------------------------------------------------------------------------


def git(folder, *words):
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@y", *words],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tree, tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    provenance.commit.cache_clear()
    yield git(tmp_path, "rev-parse", "HEAD")
    provenance.commit.cache_clear()


def stated():
    provenance.commit.cache_clear()
    return provenance.commit()


def test_the_commit_is_this_checkouts(repository, tree, tmp_path_factory, monkeypatch):
    assert stated() == {"commit": repository, "dirty": False}
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    git(other, "commit", "-q", "--allow-empty", "-m", "other")
    for name, value in (("GIT_DIR", other / ".git"), ("GIT_WORK_TREE", other), ("GIT_INDEX_FILE", other / "index")):
        monkeypatch.setenv(name, str(value))
    assert stated() == {"commit": repository, "dirty": False}


def test_a_copy_inside_another_repository_knows_no_commit(repository, tree, monkeypatch):
    copy = tree.root / "vendor" / "copy"
    shutil.copytree(tree.root / "src", copy / "src")
    monkeypatch.setattr(places, "ROOT", copy)
    assert stated() == {"commit": None, "dirty": None}


@pytest.mark.parametrize(
    ("file", "dirty"),
    [
        ("papers/one/new.py", True),
        ("papers/two/claims.py", True),
        ("conf/paper/two.yaml", True),
        ("src/assay/new part.py", True),
        ("notes.py", False),
        ("papers/one/table.txt", False),
    ],
)
def test_code_that_nobody_has_added_makes_a_checkout_dirty(repository, tree, file, dirty):
    tree.write(file, "x")
    assert stated() == {"commit": repository, "dirty": dirty}


def test_a_tracked_file_that_differs_makes_it_dirty(repository, tree):
    tree.edit("src/assay/shared.py", "return 2", "return 3")
    assert stated()["dirty"] is True
