"""A paper's figures: declared beside the function that draws them, rendered to SVG that can live on one page.

    @figure("box", title="The iterates enter the box", alt="Largest weight times lambda against steps.", after="Fig. 2")
    def box(results: Results) -> Figure:
        fig = style.figure()
        ...
        return fig

A figure that cannot be drawn (a smoke run lacks most of the data) leaves a note with its reason and never keeps a
page from being written. Two identical runs give identical bytes, so that committed figures do not change by being
made again.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from assay.errors import UserError
from assay.report import style
from assay.results import Results

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

MOST_BYTES = 1_500_000
"""A larger SVG (many thousand marks) goes onto the page as a PNG instead."""


class MissingData(Exception):
    """The results do not hold what a figure needs; its text becomes the note in the figure's place."""


@dataclass(frozen=True)
class Spec:
    """A declared figure; calling it draws it in the project's style.

    Attributes:
        id: names it in files and links; letters, digits, `_` and `-`.
        title: one line above the picture.
        alt: what the picture shows, for those who do not see it.
        after: the paper's figure or table that it rebuilds, if any.
        draw: makes it from results.
    """

    id: str
    title: str
    alt: str
    after: str
    draw: Callable[[Results], Figure]

    def __call__(self, results: Results) -> Figure:
        """Draw it, or raise `MissingData`."""
        with style.context():
            drawing = self.draw(results)
        if drawing is None:
            raise MissingData("nothing to draw")
        return drawing


@dataclass(frozen=True)
class Drawn:
    """A figure ready for a page: markup of the picture, or the reason why there is none.

    `wide` ones stand alone; `broken` ones raised something else than `MissingData`.
    """

    id: str
    title: str
    alt: str
    after: str
    svg: str | None = None
    reason: str = ""
    wide: bool = False
    broken: bool = False


def figure(id: str, *, title: str, alt: str, after: str = "") -> Callable[[Callable[[Results], Figure]], Spec]:
    """Declare a function that draws a figure; it then runs in the project's style.

    Args:
        id: short name, unique in the paper.
        title: one line; say what is seen, not what was done.
        alt: the picture in a sentence.
        after: the paper's figure or table that it rebuilds, e.g. "Fig. 2".
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", id):
        raise ValueError(f"figure id '{id}': use letters, digits, '_' and '-'")

    def declare(draw: Callable[[Results], Figure]) -> Spec:
        return Spec(id, title, alt, after, draw)

    return declare


def collect(module: ModuleType) -> list[Spec]:
    """The figures that a module declares, in the order of their definition."""
    specs = list({id(value): value for value in vars(module).values() if isinstance(value, Spec)}.values())
    names = [spec.id for spec in specs]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise UserError(f"{module.__name__}: figure {', '.join(double)} is declared twice")
    return specs


def need(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    """The frame itself, or `MissingData` saying what is not there if it has no rows."""
    if frame.is_empty():
        raise MissingData(f"no {what} in these results")
    return frame


def render(
    specs: ModuleType | Iterable[Spec], results: Results, *, prefix: str = "fig", strict: bool = False
) -> list[Drawn]:
    """Draw figures for a page.

    Args:
        specs: which; a module stands for all that it declares.
        results: from what.
        prefix: begins every id inside the pictures; figures of two papers on one page need two.
        strict: raise whatever a figure raises, for tests.
    """
    return [_rendered(spec, results, prefix, strict) for spec in _listed(specs)]


def save(
    specs: ModuleType | Iterable[Spec],
    results: Results,
    folder: Path,
    *,
    format: Literal["svg", "pdf", "png"] = "svg",
    left_out: dict[str, str] | None = None,
) -> list[Path]:
    """Write figures as files on white, for a README or a paper's appendix; those that lack data are left out.

    Args:
        specs: which; a module stands for all that it declares.
        results: from what.
        folder: where to; the files are named by the figures' ids.
        format: of the files.
        left_out: gets, by id, why a figure was left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for spec in _listed(specs):
        try:
            content = _bytes(spec(results), format, facecolor=style.PAPER)
        except MissingData as reason:
            if left_out is not None:
                left_out[spec.id] = str(reason)
            continue
        except Exception as error:
            raise UserError(f"figure {spec.id}: {type(error).__name__}: {error}") from error
        path = folder / f"{spec.id}.{format}"
        path.write_bytes(content)
        written.append(path)
    return written


def _listed(specs: ModuleType | Iterable[Spec]) -> list[Spec]:
    return collect(specs) if isinstance(specs, ModuleType) else list(specs)


def _rendered(spec: Spec, results: Results, prefix: str, strict: bool) -> Drawn:
    about = (spec.id, spec.title, spec.alt, spec.after)
    try:
        drawing = spec(results)
        text = _bytes(drawing, "svg").decode()
        wide = drawing.get_figwidth() > style.WIDTH + 0.3
        if len(text) > MOST_BYTES:
            return Drawn(*about, svg=_picture(_bytes(drawing, "png", facecolor=style.PAPER), spec.alt), wide=wide)
        return Drawn(*about, svg=inline(text, f"{prefix}-{spec.id}-", spec.alt), wide=wide)
    except Exception as error:  # a page is worth more than one of its figures
        if strict:
            raise
        missing = isinstance(error, MissingData)
        return Drawn(*about, reason=str(error) if missing else f"{type(error).__name__}: {error}", broken=not missing)


def _bytes(drawing: Figure, format: str, **options: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas = {"svg": FigureCanvasSVG, "pdf": FigureCanvasPdf, "png": FigureCanvasAgg}[format]
    # Dates and versions would make two identical runs differ.
    metadata: dict[str, Any] = {
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }[format]
    stream = io.BytesIO()
    with style.context():
        canvas(drawing)
        drawing.savefig(stream, format=format, metadata=metadata, dpi=160, **options)
    return _short(stream.getvalue()) if format == "svg" else stream.getvalue()


def _short(svg: bytes) -> bytes:
    """Coordinates to a hundredth of a point: half the size, and nobody can see the difference."""
    return re.sub(rb' (?:d|x|y)="[^"]*"', lambda place: re.sub(rb"(\.\d\d)\d+", rb"\1", place.group()), svg)


# -- SVG on a page --------------------------------------------------------------------------------------------------


def inline(svg: str, prefix: str, alt: str) -> str:
    """An SVG document as an element of a page.

    Ids and references get a prefix, since ids are shared by all pictures of a page; the style's colours become CSS
    variables (with the colour itself as fallback), so that the picture follows the page's theme.
    """
    from markupsafe import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # its selector is '*': it would hold for the page
    body = re.sub(r'(\sid=")', rf"\1{prefix}", body)
    body = re.sub(r'((?:xlink:)?href="#)', rf"\1{prefix}", body)
    body = re.sub(r"(url\(#)", rf"\1{prefix}", body)
    body = re.sub(r"((?:fill|stroke): ?)(#[0-9a-f]{6})", _variable, body)
    head, _, rest = body.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    width = re.search(r'width="([\d.]+)pt"', head)
    size = f' style="stroke-linejoin: round; max-width: {float(width[1]) * 4 / 3:.0f}px"' if width else ""
    tag = f'<svg class="figure" role="img" aria-label="{escape(alt)}" {box[0] if box else ""}{size}'
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return re.sub(r"\n\s*", "\n", f"{tag} {names}>{rest}").strip()


def _variable(match: re.Match[str]) -> str:
    name = style.VARIABLES.get(match[2])
    return f"{match[1]}var(--fig-{name}, {match[2]})" if name else match[0]


def _picture(png: bytes, alt: str) -> str:
    import base64

    from markupsafe import escape

    return f'<img class="figure" alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
