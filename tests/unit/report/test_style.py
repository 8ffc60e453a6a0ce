"""Colours belong to names, can be told apart by everyone, and intervals are the statistics' own."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.report import style

NAMES = st.lists(st.text("abcdefgh_0123", min_size=1, max_size=8) | st.sampled_from(sorted(style.PINNED)), unique=True)

# Linear RGB as seen with a missing cone type (Machado, Oliveira, Fernandes 2009, severity 1).
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x = TO_XYZ @ np.clip(rgb, 0, 1) / (0.9505, 1, 1.089)
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a, b):
    low, high = sorted(float(TO_XYZ[1] @ linear(c)) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


THEMES = {
    "light": (style.PALETTE, style.PAPER),
    "dark": ({k: style.DARK[k] for k in style.PALETTE}, style.DARK["paper"]),
}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_can_be_told_apart(theme, sight):
    seen = [lab(np.asarray(SIGHT[sight]) @ linear(colour)) for colour in THEMES[theme][0].values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 17


@pytest.mark.parametrize("theme", THEMES)
def test_colours_stand_out_from_the_page(theme):
    colours, paper = THEMES[theme]
    assert min(contrast(colour, paper) for colour in colours.values()) >= 3


def test_every_colour_of_a_figure_has_a_name_in_the_dark():
    assert set(style.VARIABLES.values()) == set(style.DARK)


@given(NAMES)
def test_no_two_methods_of_a_figure_look_alike(names):
    found = style.colours(names)
    if len(names) <= len(style.PALETTE):
        assert len(set(found.values())) == len(names)
    looks = [(look["color"], look["marker"], str(look["linestyle"])) for look in style.looks(names).values()]
    if len(names) <= 3 * len(style.PALETTE):
        assert len(set(looks)) == len(names)


@given(NAMES, st.randoms())
def test_order_changes_no_colour(names, random):
    shuffled = list(names)
    random.shuffle(shuffled)
    assert style.colours(names) == style.colours(shuffled)


@given(st.text(min_size=1))
def test_a_method_alone_has_its_own_colour(name):
    assert style.colours([name])[name] == style.colour(name)


def test_well_known_names_keep_their_colours_whatever_else_is_there():
    others = [f"method {i}" for i in range(5)]
    found = style.colours([*others, "sgd", "lion", "adamw"])
    assert [found["sgd"], found["lion"], found["adamw"]] == [style.PALETTE[c] for c in ("blue", "rust", "green")]


def test_the_interval_is_the_t_interval_and_leaves_out_what_is_no_number():
    values = [1.0, 2.0, 4.0, float("nan"), None]
    frame = pl.DataFrame({"x": [3] * 5, "y": values}, strict=False)
    row = style.summary(frame, "x", "y").row(0, named=True)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values[:3]), scale=stats.sem(values[:3]))
    assert row["n"] == 3
    assert row["low"] == pytest.approx(low) and row["high"] == pytest.approx(high)
    assert style.summary(frame, "x", "y", spread="range").row(0)[2:4] == (1.0, 4.0)


def test_a_band_is_drawn_only_where_values_repeat():
    with style.context():
        ax = style.figure().subplots()
        frame = pl.DataFrame({"arm": ["a", "a", "b"], "x": [1, 1, 1], "y": [1.0, 2.0, 3.0]})
        lines = style.band(ax, frame, "x", "y")
        assert list(lines) == ["a", "b"] and len(ax.collections) == 1
        assert style.band(ax, frame.head(0), "x", "y") == {} == style.band(ax, frame, "x", "missing")


def test_dots_show_every_value_and_keep_the_order():
    with style.context():
        ax = style.figure().subplots()
        frame = pl.DataFrame({"arm": ["a", "a", "b"], "y": [1.0, 2.0, 3.0]})
        assert style.dots(ax, frame, "y", order=["b", "gone", "a"]) == ["b", "a"]
        assert sum(len(line.get_ydata()) for line in ax.lines if line.get_marker() not in ("_", "|")) == 3 + 2
