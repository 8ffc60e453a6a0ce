"""Studies and plans, on configurations made up on the spot."""

from __future__ import annotations

import pytest
from small_run import FIX

from assay.errors import UserError
from assay.study.declared import More, SeedRange, Study, declared, make_plan


def study(**experiments):
    return Study.parse({"slug": "made_up", "experiments": experiments}, "conf/paper/made_up.yaml")


def test_what_is_declared():
    a = {
        "arms": {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}},
        "axes": {"model.hidden": [[8], [16]], "noise": {"clean": {}, "half": {"data.noise": 0.5}}},
        "scales": {
            "desk": {"seeds": {"first": 1, "n": 5}},
            "paper": {"arms": ["adam"], "axes": {"noise": {"full": {}}, "lr": [1, True, None]}},
        },
    }
    b = {"needs": {"table": "a"}, "scales": {"paper": None}}
    found = study(a=a, b=b)
    desk = declared(found, "desk")
    assert list(desk) == ["a"]
    assert desk["a"].arms == ["sgd", "adam"]
    assert desk["a"].levels == {"model.hidden": ["[8]", "[16]"], "noise": ["clean", "half"]}
    assert desk["a"].seeds == SeedRange(first=1, n=5)
    assert desk["a"].scales == ("desk", "paper")
    everywhere = declared(found)
    assert everywhere["a"].arms == ["sgd", "adam"]
    assert everywhere["a"].levels["noise"] == ["clean", "half", "full"]
    assert [type(v) for v in everywhere["a"].levels["lr"]] == [int, bool, type(None)]
    assert everywhere["a"].seeds is None
    assert everywhere["b"].needs == ("a",)
    assert everywhere["b"].scales == ("paper",)


FINE = {"over": {"optimizer.lr": [0.1, 0.2]}, "by": "val/accuracy"}
DESK = {"desk": {}}


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ({"scales": {}}, "a has no scales"),
        ({"arms": {}}, "a has no arms"),
        ({"arms": {"sgd": {}}, "scales": {"paper": {"arms": ["sdg"]}}}, "a.scales.paper.arms: unknown arm 'sdg': did you mean sgd"),
        ({"arms": {"sgd": {}}, "scales": {"paper": {"arms": {"sdg": {}}}}}, "a.scales.paper.arms: unknown arm 'sdg'"),
        ({"arms": {"sgd": {}}, "scales": {"paper": {"arms": ["sgd", "sgd"]}}}, "a.scales.paper.arms: every arm is named once"),
        ({"needs": {"x": "nothing"}}, "a needs 'nothing', which is no experiment"),
        ({"needs": {"x": "b"}, "scales": {"desk": {}, "paper": {}}}, "a needs 'b', which is not run at scale paper"),
        ({"needs": {"x": "a"}}, "experiments need each other in a circle: a -> a"),
        ({"axes": {"lr": []}}, "a.axes: lr has no levels"),
        ({"axes": {"lr": [1, 1.0]}}, "a.axes: lr: level 1.0 stands twice"),
        ({"axes": {"lr": [1, "1"]}}, "a.axes: lr: 1 and '1' would look the same in the tables"),
        ({"axes": {"seed": [1]}}, "a.axes: an axis cannot be called 'seed'"),
        ({"scales": {"desk": {"axes": {"unit": {"x": {}}}}}}, "a.scales.desk.axes: an axis cannot be called 'unit'"),
        ({"arms": {"s": {"o.lr": 1}}, "axes": {"o.lr": [1]}}, "a.axes: o.lr sets o.lr, which arm s sets, too"),
        ({"arms": {"s": {"o.lr": 1}}, "axes": {"at": {"x": {"o.lr": 1}}}}, "a.axes: at sets o.lr, which arm s sets, too"),
        ({"select": [{**FINE, "by": " "}]}, "a.select[0].by: it names no scalar"),
        ({"select": [FINE, {**FINE, "over": {}}]}, "a.select[1].over: there are no candidates"),
        ({"select": [{**FINE, "over": {"x": []}}]}, "a.select[0].over: there are no candidates"),
        ({"select": [{**FINE, "over": {"x": [1, 2, 1]}}]}, "a.select[0].over: x has a candidate twice"),
        ({"select": [{**FINE, "arms": ["mian"]}]}, "a.select[0].arms: unknown arm 'mian': did you mean main"),
        ({"select": [{**FINE, "per": ["amr"]}]}, "a.select[0].per: unknown axis 'amr': did you mean arm"),
        ({"select": [{**FINE, "per": ["optimizer.lr"]}]}, "a.select[0].per: unknown axis 'optimizer.lr'"),
        ({"select": [FINE], "axes": {"optimizer.lr": [1]}}, "a.select[0].over: optimizer.lr is set by an axis, too"),
        (
            {"select": [FINE], "axes": {"at": {"x": {"optimizer.lr": 1}}}},
            "a.select[0].over: optimizer.lr is set by an axis, too",
        ),
        ({"select": [FINE], "arms": {"s": {"optimizer.lr": 1}}}, "a.select[0].over: optimizer.lr is set by arm s, too"),
        ({"select": [{**FINE, "fix": {"optimizer.lr": 1}}]}, "a.select[0].over: optimizer.lr is set by the stage's fix"),
        ({"select": [FINE, FINE]}, "a.select[0].over: optimizer.lr is chosen for arm main by another stage, too"),
        ({"scales": {"desk": {"select": [FINE, FINE]}}}, "a.scales.desk.select[0].over: optimizer.lr is chosen"),
        ({"select": [{**FINE, "widen": {"o.lr": {"factor": 2}}}]}, "a.select[0].widen: unknown key of over 'o.lr'"),
        ({"select": [{**FINE, "widen": {"most": 2}}]}, "a.select[0].widen: optimizer.lr: give a factor or a step"),
        (
            {"select": [{**FINE, "widen": {"factor": 2, "step": 1}}]},
            "a.select[0].widen: optimizer.lr: give a factor or a step",
        ),
        (
            {"select": [{**FINE, "over": {"m": ["a", "b"]}, "widen": {"m": {"factor": 2}}}]},
            "a.select[0].widen: m has candidates that are no numbers",
        ),
        (
            {"select": [{**FINE, "over": {"m": [-1, 1]}, "widen": {"factor": 2}}]},
            "a.select[0].widen: m: a factor is for numbers of zero and more",
        ),
        ({"select": [{**FINE, "widen": {"factor": 1}}]}, "a.select.0.widen.optimizer.lr.factor: input should be greater than 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(experiment, message):
    with pytest.raises(UserError) as raised:
        study(a={"scales": DESK, **experiment}, b={"scales": DESK})
    line = str(raised.value)
    assert "\n" not in line and line.startswith("conf/paper/made_up.yaml: "), line
    assert line.removeprefix("conf/paper/made_up.yaml: ").removeprefix("experiments.").startswith(message), line


def test_what_is_meant():
    inner = {"over": {"optimizer.lr": [0.1, 0.2]}, "by": "x", "per": ["arm", "noise", "loss.alpha"]}
    study(
        a={
            "arms": {"sgd": {}, "adam": {"optimizer.lr": 1}},
            "axes": {"noise": {"some": {"data.noise": 1}}, "mixed": [1, True, None, "a", [1], 0.5]},
            "select": [
                {**inner, "arms": ["sgd"]},
                {
                    "over": {"loss.alpha": [1, 2], "loss": ["a", "b"]},
                    "by": "x",
                    "arms": ["sgd"],
                    "widen": {"factor": 2},
                },
            ],
            "scales": {"desk": {"seeds": 5}, "paper": {"arms": ["adam"]}},
        }
    )


def test_errors_of_plans_name_the_place():
    """Also what a selection's own values would hide until it has run."""
    arms = {"fine": {}, "wrong": {"loss.margine": 0.5}}
    select = [{"over": {"optimizer.lr": [0.1]}, "by": "val/accuracy", "fix": {"loss": "cross_entropy"}}]
    for more in ({}, {"select": select}):
        found = study(a={"fix": FIX, "arms": arms, "axes": {"model.hidden": [[5]]}, "scales": DESK, **more})
        with pytest.raises(UserError, match=r"^made_up/a \(desk\): arm wrong \[model.hidden=\[5\]\]: .*'margine'"):
            make_plan(found, "desk", lambda signature, name: None)


def test_arms_that_are_the_same_runs_everywhere_are_named():
    axes = {"model.hidden": [[5], [6]]}
    arms = {"a": {}, "b": {"optimizer.lr": 0.5}, "c": {"optimizer.lr": 0.25}, "d": {"optimizer.lr": 0.5}}

    def twins(**more):
        return make_plan(
            study(x={"fix": FIX, "arms": arms, "axes": axes, "scales": DESK} | more), "desk", lambda s, n: None
        )

    plan = twins()
    assert plan.twins == [("x", ["b", "d"])] and plan.warnings == ["x: arms b, d are the same runs at scale desk"]
    partly = {"a": {}, "b": {"model.hidden": [5]}}
    assert twins(arms=partly, axes={"loss": ["aldr_kl", "cross_entropy"]}).twins == [("x", ["a", "b"])]
    assert (
        twins(arms=partly, axes={"at": {"p": {}, "q": {"data.table": "wine"}}}, fix={**FIX, "model.hidden": [6]}).twins
        == []
    )
    # what a selection chooses by tells arms apart, which of them it is for does not
    rates = {"over": {"optimizer.lr": [0.1, 0.2]}, "by": "val/accuracy"}
    loss = {"loss.alpha": 1.5}
    two = [{**rates, "arms": ["a"]}, {**rates, "arms": ["b"], "by": "val/cross_entropy"}]
    assert twins(arms={"a": loss, "b": loss}, select=two).twins == []
    assert twins(arms={"a": loss, "b": loss}, select=[{**rates, "arms": ["a"]}, {**rates, "arms": ["b"]}]).twins
    hidden = [{**rates, "fix": {"loss": "cross_entropy"}}]
    assert twins(arms={"a": {}, "b": loss}, select=hidden).twins == []


@pytest.mark.parametrize(("level", "asked"), [([64], "[64]"), ([64], [64]), (1.0, 1), (None, None), ("a", "a")])
def test_further_seeds_are_of_the_levels_as_measures_name_them(level, asked):
    """A level is a list in the configuration and its text in the tables."""
    more = More("box", 10, levels=(("at", (asked,)), ("column of units", ("x",))))
    assert more.covers("box", "main", {"at": level})
    assert not more.covers("box", "main", {"at": True}) and not more.covers("box", "main", {"at": [8]})
