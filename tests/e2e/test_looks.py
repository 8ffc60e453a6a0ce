"""Further looks as a user meets them: taken by themselves, held back, gone on with, and never asked for too early."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

CLAIMS = '''"""Claims of the made-up paper."""

from assay.claims import Check, Claim, Count, Interval, above, scalar

CLAIMS = [Claim("C1", "The walk stays near the origin.", "nowhere")]
CHECKS = [
    Check("1", "it stays within 100", ["C1"], Count([scalar("walk", "walk/end", module__pull=0.25) <= 100.0])),
    Check("2", "it moves", ["C1"], Interval(scalar("walk", "walk/end", module__pull=0.5), above(-1e3), name="end")),
]
'''


@pytest.fixture
def undecided(checkout):
    """Check 1 is a count of three, which a coin would pass in an eighth of all cases: six seeds decide it."""
    (checkout.root / "papers/walk_one/claims.py").write_text(CLAIMS, encoding="utf-8")
    checkout.edit("conf/paper/walk_one.yaml", "module.nap: 0.05", "module.nap: 0.0")
    return checkout


def rows(checkout):
    return {row["id"]: row for row in checkout.verdicts("walk_one")["checks"]}


def test_what_is_undecided_gets_more_seeds_and_nothing_else_does(undecided):
    result = undecided.reproduce("walk_one")
    assert result.returncode == 0, result.stderr
    assert "undecided after look 1 of 3: 1:" in result.stdout
    assert "9 runs computed" in result.stdout  # six registered, and three more of the level that check 1 reads
    found = rows(undecided)
    assert (found["1"]["verdict"], found["1"]["n"], found["1"]["looks"]["taken"]) == ("reproduced", 6, 2)
    assert (found["2"]["verdict"], found["2"]["n"], found["2"]["looks"]["taken"]) == ("reproduced", 3, 1)
    again = undecided.reproduce("walk_one")
    assert "runs computed" not in again.stdout and rows(undecided) == found


def test_one_look_says_what_is_open_and_the_same_command_without_it_goes_on(undecided):
    result = undecided.reproduce("walk_one", "desk", "--looks", "1")
    assert result.returncode == 0, result.stderr
    assert "undecided after look 1 of 3: 1. The next look takes about" in result.stdout
    assert "make reproduce PAPER=walk_one LOOKS=2" in result.stdout
    found = rows(undecided)["1"]
    assert (found["verdict"], found["n"]) == ("inconclusive", 3)
    assert found["looks"]["next"]["units"] == 6
    refused = undecided.run("assay", "publish", "walk_one")
    assert refused.returncode == 2 and "another look at 1" in refused.stderr
    result = undecided.reproduce("walk_one")
    assert "3 runs computed" in result.stdout and rows(undecided)["1"]["verdict"] == "reproduced"
    report = undecided.run("assay", "report", "walk_one")
    assert report.returncode == 0 and rows(undecided)["1"]["n"] == 6  # whoever looks later finds all seeds


def test_fewer_seeds_than_registered_decide_nothing_and_are_never_called_complete(undecided):
    result = undecided.reproduce("walk_one", "desk", "--seeds", "2")
    assert result.returncode == 0, result.stderr
    found = rows(undecided)
    assert {row["verdict"] for row in found.values()} == {"inconclusive"}
    assert "incomplete (walk: 4 of 6 runs)" in found["1"]["note"] and "next" not in found["1"]["looks"]
    before = {id: row["verdict"] for id, row in found.items()}
    undecided.run("assay", "report", "walk_one")
    assert {id: row["verdict"] for id, row in rows(undecided).items()} == before


def test_the_minutes_that_are_asked_for_stop_a_sweep_and_it_goes_on(undecided):
    undecided.edit("conf/paper/walk_one.yaml", "module.nap: 0.0", "module.nap: 0.2")
    result = undecided.reproduce("walk_one", "desk", "--minutes", "0.01")
    assert result.returncode == 1
    assert "0.01 minutes are over" in result.stderr and "Go on with the same command" in result.stderr
    undecided.edit("conf/paper/walk_one.yaml", "module.nap: 0.2", "module.nap: 0.0")
    assert undecided.reproduce("walk_one").returncode == 0


def test_a_mistake_in_claims_is_said_before_anything_runs(undecided):
    undecided.edit("papers/walk_one/claims.py", "module__pull=0.25", "module__pull=0.3")
    result = undecided.reproduce("walk_one")
    assert result.returncode == 2
    assert "check 1 reads module.pull = 0.3, a level that walk does not have" in result.stderr
    assert not undecided.records("walk_one")


def test_a_check_that_raises_does_not_hide_the_others(undecided):
    broken = "def broken(results):\n    raise ZeroDivisionError('nothing to divide by')\n\n\nCLAIMS"
    undecided.edit("papers/walk_one/claims.py", "CLAIMS", broken)
    undecided.edit(
        "papers/walk_one/claims.py",
        "CHECKS = [",
        "CHECKS = [\n    Check('3', 'odd', ['C1'], Interval(broken, above(0)), experiment='walk'),",
    )
    result = undecided.reproduce("walk_one", "desk", "--looks", "1")
    assert result.returncode == 1 and "1 of 3 checks could not be judged: check 3: ZeroDivisionError" in result.stderr
    found = rows(undecided)
    assert found["2"]["verdict"] == "reproduced" and found["3"]["verdict"] == "inconclusive"


def test_seeds_of_selections_that_no_plan_has_any_more_are_no_further_seeds(undecided):
    walk = "axes: {module.pull: [0.25, 0.5]}"
    select = "select: [{over: {module.pull: [0.25, 0.5]}, by: walk/end, mode: min}]"
    undecided.edit("conf/paper/walk_one.yaml", walk, select)
    for level in ("module__pull=0.25", "module__pull=0.5"):
        undecided.edit("papers/walk_one/claims.py", f", {level}", "")
    assert undecided.reproduce("walk_one", "smoke").returncode == 0  # leaves runs of seed 900 with other values
    undecided.edit("conf/paper/walk_one.yaml", "{fix: {module.nap: 0.0}", "{fix: {module.nap: 0.001}")
    result = undecided.reproduce("walk_one")
    assert result.returncode == 0, result.stderr
    assert {row["verdict"] for row in rows(undecided).values()} == {"reproduced"}


def test_what_is_wrong_in_figures_is_said(undecided):
    figures = undecided.root / "papers/walk_one/figures.py"
    figures.write_text("import nothing_of_that_name\n", encoding="utf-8")
    result = undecided.reproduce("walk_one")
    assert result.returncode == 2 and not undecided.records("walk_one")
    assert (
        "figures.py: ModuleNotFoundError: No module named 'nothing_of_that_name' (figures.py, line 1)" in result.stderr
    )
    figures.write_text(
        "from assay.report.figures import figure\n\n\n"
        "@figure('one', title='t', alt='a')\ndef one(results):\n    raise ZeroDivisionError('nothing')\n",
        encoding="utf-8",
    )
    result = undecided.reproduce("walk_one")
    assert result.returncode == 1
    assert "1 figures could not be drawn: figure one: ZeroDivisionError: nothing" in result.stderr
    assert rows(undecided)["2"]["verdict"] == "reproduced"


def test_the_dry_run_says_what_is_wrong_in_claims(undecided):
    (undecided.root / "papers/walk_one/claims.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    result = undecided.reproduce("walk_one", "desk", "--dry-run")
    assert result.returncode == 2 and "claims.py: SystemExit: 3 (claims.py, line 1)" in result.stderr


def test_a_next_look_does_not_hide_what_failed_before_and_keeps_to_the_experiments_that_were_asked_for(undecided):
    undecided.edit("conf/paper/walk_one.yaml", "      paper: {}", "      desk: {arms: [good, nan]}")
    result = undecided.reproduce("walk_one")
    assert "10 runs computed" in result.stdout and rows(undecided)["1"]["looks"]["taken"] == 2
    assert result.returncode == 1 and "1 runs failed" in result.stderr and "faults/nan" in result.stderr
    assert "runs failed" in undecided.reproduce("walk_one").stderr


def test_one_experiment_alone_takes_no_look_at_others(undecided):
    undecided.edit("conf/paper/walk_one.yaml", "      paper: {}", "      desk: {arms: [good]}")
    assert undecided.reproduce("walk_one", "desk", "--looks", "1").returncode == 0
    result = undecided.reproduce("walk_one", "desk", "-e", "faults")
    assert result.returncode == 0 and "runs computed" not in result.stdout
    assert "undecided after look 1 of 3: 1. The next look" in result.stdout
    assert "3 runs computed" in undecided.reproduce("walk_one", "desk", "-e", "walk").stdout


def test_stale_seeds_that_no_look_asks_for_do_not_keep_a_paper_from_being_published(undecided):
    undecided.edit("papers/walk_one/claims.py", "Count([scalar", "Interval([scalar")
    assert undecided.reproduce("walk_one", "desk", "--seeds", "4").returncode == 0
    undecided.edit("papers/walk_one/module.py", "# the walk", "+ 0.0")
    assert undecided.reproduce("walk_one").returncode == 0
    for folder in (".", "papers/walk_one"):
        name = "board" if folder == "." else "verdicts"
        text = f"# x\n<!-- {name}:begin -->\n<!-- {name}:end -->\n"
        (undecided.root / folder / "README.md").write_text(text, encoding="utf-8")
    result = undecided.run("assay", "publish", "walk_one")
    assert result.returncode == 0, result.stderr


def test_a_figure_that_cannot_be_drawn_leaves_what_is_committed_alone(undecided):
    figures = undecided.root / "papers/walk_one/figures.py"
    assert undecided.reproduce("walk_one").returncode == 0
    figures.write_text(
        "from assay.report.figures import figure\n\n\n"
        "@figure('one', title='t', alt='a')\ndef one(results):\n    raise ZeroDivisionError('nothing')\n",
        encoding="utf-8",
    )
    result = undecided.run("assay", "publish", "walk_one")
    assert result.returncode == 2 and "figure one: ZeroDivisionError: nothing" in result.stderr
    assert not (undecided.root / "papers/walk_one/results").exists()
