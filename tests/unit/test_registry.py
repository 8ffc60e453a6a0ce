"""Registries: names to classes, typed values, nested parts, and a refusal of everything else."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import registry
from assay.errors import UserError
from assay.registry import Registry, check_value


class Shape:
    pass


class Tool:
    pass


@pytest.fixture
def kinds(monkeypatch):
    monkeypatch.setattr(registry, "KINDS", {})
    shapes: Registry[Shape] = Registry("shape", Shape)
    tools: Registry[Tool] = Registry("tool", Tool, late=("stuff",))

    @shapes.register("round", source="here")
    class Round(Shape):
        """A round one.

        More text.
        """

        def __init__(self, radius: float = 1.0) -> None:
            self.radius = radius

    @shapes.register("square")
    class Square(Shape):
        def __init__(self, side: int, style: Literal["sharp", "soft"] = "sharp") -> None:
            self.side, self.style = side, style

    @tools.register("cutter", neutral={"speed": 1}, reduced={"speed": 0})
    class Cutter(Tool):
        def __init__(self, stuff: list, speed: int = 1, shape: Shape = Round(), sizes: list[int] | None = None) -> None:  # noqa: B008
            self.stuff, self.speed, self.shape, self.sizes = stuff, speed, shape, sizes

    return shapes, tools


def test_build_and_nested_default(kinds):
    shapes, tools = kinds
    assert shapes.build({"name": "square", "side": 3}).side == 3
    cutter = tools.build({"name": "cutter", "shape": {"name": "round", "radius": 2}})("wood")
    assert (cutter.stuff, cutter.shape.radius, cutter.speed) == ("wood", 2.0, 1)
    assert tools["cutter"].defaults() == {
        "name": "cutter",
        "speed": 1,
        "shape": {"name": "round", "radius": 1.0},
        "sizes": None,
    }
    assert shapes["round"].doc == "A round one."


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"name": "rond"}, "unknown shape 'rond': did you mean round"),
        ({"name": "round", "radios": 1}, "unknown value of shape=round 'radios': did you mean radius"),
        ({"name": "round", "radius": "wide"}, "shape.radius=wide: expected float"),
        ({"name": "round", "radius": True}, "shape.radius=True: expected float"),
        ({"name": "square"}, "shape.side has no value"),
        ({"name": "square", "side": "???"}, "shape.side has no value"),
        ({"name": "square", "side": 1, "style": "blunt"}, "shape.style=blunt: expected Literal"),
        ({"radius": 1}, "shape: no shape is chosen"),
        ({"name": "os.system"}, "unknown shape 'os.system'"),
        ({"name": "round", "_target_": "os.system"}, "unknown value of shape=round '_target_'"),
    ],
)
def test_refusals_are_one_line(kinds, node, message):
    shapes, _ = kinds
    with pytest.raises(UserError, match="^" + message.replace("(", r"\(")) as caught:
        shapes.build(node)
    assert "\n" not in str(caught.value)


def test_registering_twice_raises(kinds):
    shapes, _ = kinds
    with pytest.raises(ValueError, match="registered twice"):

        @shapes.register("round")
        class Other(Shape):
            pass

    with pytest.raises(ValueError, match="exists already"):
        Registry("shape", Shape)


def test_untyped_or_open_signatures_raise(kinds):
    shapes, _ = kinds
    with pytest.raises(TypeError, match="needs a type annotation"):

        @shapes.register("loose")
        class Loose(Shape):
            def __init__(self, size=1) -> None: ...

    with pytest.raises(TypeError, match="name the parameters"):

        @shapes.register("open")
        class Open(Shape):
            def __init__(self, **values: int) -> None: ...

    with pytest.raises(ValueError, match="unknown parameters"):
        shapes.register("other", neutral={"nothing": 1})(type("Thing", (Shape,), {}))


@given(st.integers(-(10**6), 10**6))
def test_whole_numbers_become_floats_where_floats_are_meant(value):
    checked = check_value(float, value, "x")
    assert checked == value
    assert isinstance(checked, float)


@given(st.lists(st.integers(), max_size=5))
def test_tuples_and_lists_are_one_value(values):
    assert check_value(list[int], values, "x") == check_value(list[int], tuple(values), "x") == values


def test_rest_parameters_are_the_base_classes_with_its_own_defaults_first(kinds):
    shapes, _ = kinds

    class Ring(shapes["square"].target):
        def __init__(self, width: int, style: Literal["sharp", "soft"] = "soft", **rest: Any) -> None:
            super().__init__(style=style, **rest)
            self.width = width

    shapes.register("ring")(Ring)
    assert shapes["ring"].defaults() == {"name": "ring", "width": "???", "style": "soft", "side": "???"}
    ring = shapes.build({"name": "ring", "width": 2, "side": 5})
    assert (ring.width, ring.side, ring.style) == (2, 5, "soft")
    with pytest.raises(UserError, match=r"shape.side=long: expected int"):
        shapes.build({"name": "ring", "width": 2, "side": "long"})


def test_rest_parameters_that_nobody_takes_are_refused(kinds):
    shapes, _ = kinds
    with pytest.raises(TypeError, match="name the parameters"):

        @shapes.register("open")
        class Open(shapes.base):
            def __init__(self, **anything: Any) -> None:
                self.anything = anything
