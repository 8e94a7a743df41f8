"""The comparison of recipes as HTML, Markdown and JSON, and as a table on the terminal."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hangtag.comparison import SCORES, Comparison, Row
from hangtag.errors import HangtagError
from hangtag.markdown import table
from hangtag.plain_json import to_json
from hangtag.reports.page import format_cell, render

Column = tuple[str, str]
Grid = tuple[str, list[Column], list[list[Any]]]
"""A caption, columns of heading and cell style (as in `hangtag.reports.page`), and rows."""

NOTES = (
    "Each number: accuracy, then macro-F1 (a dash where it isn't defined). Every row is judged on "
    "the same test products.",
    "Own task: each model in its own vocabulary. Fewer values make an easier task, so these "
    "numbers don't rank models of different vocabularies.",
    "Common ground: base colours as eleven groups, a combined label taken apart, and of each "
    "attribute only the values that all of the models know, for the photos that have one of them.",
    "Minutes of training are those of the last run on the device named, reading included; photos a "
    "second are from a file's bytes to its tags on the machine that made this table.",
)


def to_html(comparison: Comparison) -> str:
    """Write a self-contained page.

    Raises:
        MissingExtraError: Jinja2 isn't installed.
    """
    return render(
        "compare.html.j2",
        title=f"Recipes on {comparison.catalogue}",
        subtitle=_subtitle(comparison),
        grids=grids(comparison),
        notes=NOTES,
    )


def to_markdown(comparison: Comparison) -> str:
    """Write the tables as Markdown."""
    lines = [_subtitle(comparison), ""]
    for caption, columns, rows in grids(comparison):
        headings = [heading for heading, _ in columns]
        words = [at for at, (_, style) in enumerate(columns) if style == "text"]
        cells = [_cells(columns, row) for row in rows]
        lines += [f"### {caption}", "", table(headings, cells, words=words), ""]
    return "\n".join([*lines, *(f"- {note}" for note in NOTES), ""])


def to_text(comparison: Comparison) -> str:
    """Write everything as JSON."""
    return to_json(comparison)


FORMS: dict[str, Callable[[Comparison], str]] = {
    ".html": to_html,
    ".htm": to_html,
    ".md": to_markdown,
    ".json": to_text,
}
"""How each file ending is written."""


def check_output(file: Path) -> None:
    """Refuse a file that couldn't be written in the end, before hours of training.

    Raises:
        HangtagError: An unknown ending, or no such folder.
    """
    if file.suffix.lower() not in FORMS:
        raise HangtagError(f"{file}: unknown ending; choose one of {', '.join(FORMS)}")
    if not file.absolute().parent.is_dir():
        raise HangtagError(f"{file}: there is no folder {file.parent}; make it first")


def write(comparison: Comparison, file: Path) -> None:
    """Write the comparison in the form that the file's ending names; see `check_output`."""
    check_output(file)
    file.write_text(FORMS[file.suffix.lower()](comparison), encoding="utf-8")


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print the tables."""
    console = console or Console()
    for caption, columns, rows in grids(comparison):
        shown = Table(title=caption, title_justify="left")
        for heading, style in columns:
            shown.add_column(heading, justify="left" if style == "text" else "right")
        for row in rows:
            shown.add_row(*(Text(cell) for cell in _cells(columns, row)))
        console.print(shown)


def grids(comparison: Comparison) -> list[Grid]:
    """The tables: what each model is and costs, its own task, and the common ground."""
    names: Column = ("recipe", "text")
    cost: list[Column] = [
        names,
        *(("backbone", "text"), ("weights", "text"), ("input", "text"), ("epochs", "count")),
        *(("minutes", "text"), ("parameters", "text"), ("model", "text"), ("photos/s", "text")),
    ]
    own: list[Column] = [names, *((name, "text") for name in comparison.attributes)]
    shared: list[Column] = [
        names,
        *((f"{task.attribute} ({len(task.values)})", "text") for task in comparison.common),
    ]
    return [
        ("What each is, and what it costs", cost, [_cost(row) for row in comparison.rows]),
        (
            "Own task (values in brackets)",
            own,
            [
                [row.name, *(_own(row, name) for name in comparison.attributes)]
                for row in comparison.rows
            ],
        ),
        (
            "Common ground (values asked for in brackets)",
            shared,
            [
                [row.name, *(_pair(task.scores.get(position)) for task in comparison.common)]
                for position, row in enumerate(comparison.rows)
            ],
        ),
    ]


def _subtitle(comparison: Comparison) -> str:
    return (
        f"{comparison.photos:,} test photos of {comparison.catalogue}, {comparison.split} split, "
        f"{len(comparison.rows)} models"
    )


def _cost(row: Row) -> list[Any]:
    minutes = None if row.minutes is None else f"{row.minutes:.1f} ({row.device or 'unknown'})"
    return [
        row.name,
        row.backbone,
        row.start,
        f"{row.input_size[0]}×{row.input_size[1]}",
        row.epochs,
        minutes,
        f"{row.parameters / 1e6:.2f} M",
        f"{row.megabytes:.1f} MB",
        f"{row.photos_per_second:.0f}",
    ]


def _own(row: Row, attribute: str) -> str | None:
    scores = row.scores.get(attribute)
    return None if scores is None else f"{_pair(scores)} ({scores['values']:.0f})"


def _pair(scores: Mapping[str, float | None] | None) -> str | None:
    if scores is None:
        return None
    return " / ".join(
        format_cell(scores[metric], "percent").removesuffix(" %") for metric in SCORES
    )


def _cells(columns: list[Column], row: list[Any]) -> list[str]:
    return [format_cell(value, style) for value, (_, style) in zip(row, columns, strict=True)]
