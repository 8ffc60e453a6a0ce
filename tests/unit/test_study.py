"""Studies and plans, on configurations made up on the spot."""

from __future__ import annotations

from assay.study import SeedRange, Study, declared


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
