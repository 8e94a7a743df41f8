"""The frame that all reports share: page, tables, figures and thumbnails in one HTML file.

A report is a template that extends ``page.html.j2`` and takes its macros from ``parts.html.j2``.
Everything is inlined and the page forbids itself any request, so a report can be mailed around.
"""

import base64
import io
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import hangtag
from hangtag.errors import require

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from matplotlib.figure import Figure

THUMBNAIL = (120, 160)
"""Largest width and height of a photo in a report, in pixels."""

COLOURS = ("#3b6fd4", "#d9822b", "#2f9e75", "#c2477f", "#7a62c9", "#8a8f98")
"""Line colours that can be told apart on light and dark ground, and by the colour-blind."""

HEAT = "YlGnBu"
"""Matplotlib's name of the colour scale of heat maps."""

# Matplotlib draws text and axes in this colour; the page turns it into its own text colour, so
# figures follow the reader's light or dark theme.
_INK = "#123457"

_SVG_IDS = re.compile(r'(\bid="|url\(#|href="#)')


def render(template: str, *, title: str, **context: Any) -> str:
    """Fill a report's template.

    Args:
        template: File name in ``reports/templates``; it extends ``page.html.j2``.
        title: Title of the page (plain text; escaped, like every value in ``context`` that isn't
            ``Markup``).
        context: What else the template reads. ``page.html.j2`` itself reads ``subtitle``
            (str), ``lead`` (list of plain sentences) and ``sections`` (list of
            (anchor, heading) for the table of contents), each optional.

    Returns:
        A complete HTML document.

    Raises:
        MissingExtraError: Jinja2 isn't installed.
    """
    page = _environment().get_template(template)
    return page.render(title=title, version=hangtag.__version__, **context)


def thumbnail(photo: np.ndarray, size: tuple[int, int] = THUMBNAIL) -> str:
    """Encode a photo as a small ``data:`` URI for an ``<img>``.

    Args:
        photo: (H, W, 3) uint8, RGB.
        size: Largest width and height in pixels; smaller photos keep their size.
    """
    image = Image.fromarray(photo)
    image.thumbnail(size)
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


@contextmanager
def drawing(width: float = 6.0, height: float = 3.6) -> Iterator[tuple["Figure", Any]]:
    """Give a Matplotlib figure and its axes in the reports' style, for use in ``with``.

    Args:
        width: Inches; the page scales figures down to its own width.
        height: Inches.

    Raises:
        MissingExtraError: Matplotlib isn't installed.
    """
    matplotlib = require("report", "matplotlib")
    figures = require("report", "matplotlib.figure")
    cycler = require("report", "cycler")
    style = {
        "axes.prop_cycle": cycler.cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "text.color": _INK,
        "legend.frameon": False,
        "grid.alpha": 0.25,
        "font.family": "sans-serif",
        "font.size": 9,
        # Values may hold dollar signs; they are no formulas.
        "text.parse_math": False,
    }
    with matplotlib.rc_context(style):
        # Not through pyplot, which would keep every figure and look for a display.
        figure = figures.Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.add_subplot()


def svg(figure: "Figure", description: str) -> "Markup":
    """Turn a Matplotlib figure into inline SVG that takes the page's text colour.

    Args:
        figure: The figure; best drawn within :func:`drawing`.
        description: What it shows, for readers who can't see it.
    """
    matplotlib = require("report", "matplotlib")
    markup = require("report", "markupsafe")
    buffer = io.StringIO()
    # Text stays text, so it can be searched and figures stay small; a fixed salt and no date make
    # the same numbers give the same file.
    settings = {"svg.fonttype": "none", "svg.hashsalt": "hangtag"}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The reader's fonts draw the text, so it doesn't matter what Matplotlib's lack.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(_INK, "currentColor")
    # Several figures share a page, so their ids must differ.
    drawn = _SVG_IDS.sub(rf"\g<1>figure{zlib.crc32(drawn.encode())}-", drawn)
    label = markup.escape(description)
    return markup.Markup(
        drawn.replace("<svg", f'<svg role="img" aria-label="{label}" class="figure"', 1)
    )


NUMBERS = ("count", "percent", "score")
"""Cell styles that are aligned and sorted as numbers."""


def format_cell(value: Any, style: str) -> str:
    """Write a table cell: ``text``, ``count``, ``percent`` (of a share), ``score`` or ``html``.

    Nothing and NaN become a dash.
    """
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if style == "count":
        return f"{value:,}"
    if style == "percent":
        return f"{100 * value:.1f} %"
    if style == "score":
        return f"{value:.3f}"
    return value if style == "html" else str(value)


def format_range(value: Mapping[str, Any], style: str) -> str:
    """Write ``low`` and ``high`` of an interval in the style of `format_cell`: ``91.2–93.0``."""
    low, high = (format_cell(value[end], style).removesuffix(" %") for end in ("low", "high"))
    return f"{low}–{high}"


@cache
def _environment() -> "Environment":
    jinja2 = require("report", "jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hangtag.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = format_cell
    environment.filters["range"] = format_range
    environment.globals["number_styles"] = NUMBERS
    return environment
