"""Figures come out the same twice, live together on a page, and a failing one leaves a note."""

import re
import types

import pytest

from assay.errors import UserError
from assay.report import figures as module_of_figures
from assay.report import style
from assay.report.figures import MissingData, Spec, collect, figure, render, save


def svgs(results, chosen):
    return [drawn.svg for drawn in render(chosen[:2], results)]


@pytest.mark.parametrize("format", ["svg", "pdf", "png"])
def test_identical_results_give_identical_bytes(results, figures, tmp_path, format):
    first = [path.read_bytes() for path in save(figures, results, tmp_path / "a", format=format)]
    second = [path.read_bytes() for path in save(figures, results, tmp_path / "b", format=format)]
    assert len(first) == 2  # the third lacks its data
    assert first == second


def test_pictures_of_a_page_share_no_ids_and_find_their_own(results, figures):
    ids = [set(re.findall(r'\sid="([^"]+)"', svg)) for svg in svgs(results, figures)]
    assert ids[0] and ids[1] and not ids[0] & ids[1]
    for own, svg in zip(ids, svgs(results, figures), strict=True):
        references = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
        assert references and references <= own


def test_nothing_in_a_picture_reaches_beyond_it(results, figures):
    for svg in svgs(results, figures):
        assert "<style" not in svg and "<metadata" not in svg and "<!--" not in svg and "<?xml" not in svg
        assert set(re.findall(r'https?://[^"\s]+', svg)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }


def test_the_styles_colours_follow_the_page(results, figures):
    for svg in svgs(results, figures):
        assert f"var(--fig-ink, {style.INK})" in svg
        assert not re.search(rf"(fill|stroke): ?({style.INK}|{style.PALETTE['rust']})", svg)


def test_missing_data_becomes_a_note_with_its_reason(results, figures):
    drawn = render(figures, results)[2]
    assert drawn.svg is None and drawn.reason == "no finished run of imagenet in these results"


def test_any_error_becomes_a_note_but_not_in_strict_mode(results):
    @figure("broken", title="t", alt="a")
    def broken(results):
        raise ZeroDivisionError("by <zero>")

    assert render([broken], results)[0].reason == "ZeroDivisionError: by <zero>"
    with pytest.raises(ZeroDivisionError):
        render([broken], results, strict=True)


def test_a_figure_that_returns_nothing_is_missing(results):
    nothing = Spec("x", "t", "a", "", lambda results: None)
    with pytest.raises(MissingData):
        nothing(results)


def test_alt_text_is_escaped(results):
    @figure("x", title="t", alt='"><script>')
    def plain(results):
        return style.figure(2, 2)

    svg = render([plain], results)[0].svg
    assert "<script" not in svg and "&lt;script&gt;" in svg


def test_figures_are_collected_in_order_and_once(figures):
    module = types.ModuleType("paper")
    module.b, module.a, module.again, module.other = figures[0], figures[1], figures[0], 3
    assert [spec.id for spec in collect(module)] == ["loss", "accuracy"]
    module.twin = Spec("loss", "t", "a", "", figures[0].draw)
    with pytest.raises(UserError, match="loss is declared twice"):
        collect(module)


def test_ids_are_names():
    with pytest.raises(ValueError):
        figure("two words", title="t", alt="a")


def test_a_huge_figure_becomes_a_picture(results, monkeypatch):
    monkeypatch.setattr(module_of_figures, "MOST_BYTES", 100)

    @figure("x", title="t", alt="many <marks>")
    def plain(results):
        return style.figure(2, 2)

    assert render([plain], results)[0].svg.startswith(
        '<img class="figure" alt="many &lt;marks&gt;" src="data:image/png'
    )


def test_wide_figures_say_so(results):
    wide = Spec("x", "t", "a", "", lambda results: style.figure(11, 2))
    assert render([wide], results)[0].wide


def test_only_coordinates_are_shortened():
    svg = b'<g transform="scale(0.015625)"><path id="a.12345" d="M 1.23456 -0.98765"/><text x="2.5" y="3.14159">0.0005</text>'
    assert module_of_figures._short(svg) == (
        b'<g transform="scale(0.015625)"><path id="a.12345" d="M 1.23 -0.98"/><text x="2.5" y="3.14">0.0005</text>'
    )
