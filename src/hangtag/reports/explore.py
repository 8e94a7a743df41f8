"""The report of an exploration: figures, tables and photos in one HTML file."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.errors import HangtagError, require
from hangtag.exploration import (
    RARE_BELOW,
    AttributeSummary,
    CrossTable,
    Exploration,
    explore,
)
from hangtag.photo_files import Count
from hangtag.reports.cards import Card, Photos
from hangtag.reports.page import COLOURS, HEAT, drawing, render, svg

if TYPE_CHECKING:
    from markupsafe import Markup

    from hangtag.catalogue import Catalogue

DRAWN_ATTRIBUTES = 24
"""Attributes that get figures and examples; the others are in the tables, and in the JSON."""

_BARS = 30
_HEAT_ROWS, _HEAT_COLUMNS = 40, 24
_TABLE_ROWS = 2000
_CLASSES_SHOWN = 200
_PHOTOS_PER_CLASS = 3
_GROUPS_SHOWN = 48
_COPIES_PER_GROUP = 6
_LISTED = 500
_CONFLICTS_SHOWN = 24
_LONG_LABEL = 28


@dataclass(frozen=True)
class Report:
    """What was found in a catalogue, for the page, the terminal and machines."""

    found: Exploration
    catalogue: "Catalogue"

    def to_html(self) -> str:
        """Write the page."""
        return page(self.found, self.catalogue)

    def to_json(self) -> str:
        """Write the numbers of the page."""
        return self.found.to_json()


_FORMS = {".html": Report.to_html, ".htm": Report.to_html, ".json": Report.to_json}


def run(
    catalogue: "Catalogue",
    *,
    crossed: Sequence[tuple[str, str]] = (),
    output: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Explore a catalogue, and write the report if asked to.

    Args:
        catalogue: What to look through.
        crossed: See `hangtag.exploration.explore`.
        output: File to write, ``.html`` or ``.json``.
        progress: See `hangtag.exploration.explore`.

    Raises:
        HangtagError: ``crossed`` names an attribute that the catalogue doesn't have, the packages
            for reports aren't installed, or the file can't be written.
    """
    require("report", "matplotlib")
    require("report", "jinja2")
    if output is not None and output.suffix.lower() not in _FORMS:
        raise HangtagError(f"{output}: unknown ending; choose one of {', '.join(_FORMS)}")
    if output is not None and not output.absolute().parent.is_dir():
        raise HangtagError(f"{output}: there is no folder {output.parent}; make it first")
    report = Report(explore(catalogue, crossed=crossed, progress=progress), catalogue)
    if output is not None:
        output.write_text(_FORMS[output.suffix.lower()](report), encoding="utf-8")
    return report


def page(found: Exploration, catalogue: "Catalogue") -> str:
    """Write an exploration as HTML, with photos of the catalogue that it is of."""
    photos = Photos(catalogue)
    drawn = [one for one in found.attributes if one.classes and not one.free_text]
    return render(
        "explore.html.j2",
        title=f"What is in {catalogue.source.name}",
        subtitle=f"{found.rows:,} products, {len(found.attributes):,} attributes",
        lead=found.summary,
        sections=[
            ("attributes", "Attributes"),
            ("classes", "Classes"),
            ("missing", "Missing labels"),
            ("taxonomy", "Taxonomy"),
            ("crossed", "Cross-tables"),
            ("years", "Years"),
            ("photos", "Photos"),
            ("copies", "Copies"),
            ("examples", "Examples"),
            ("problems", "Problems"),
        ],
        found=found,
        rare_below=RARE_BELOW,
        distributions=[_distribution(one) for one in drawn[:DRAWN_ATTRIBUTES]],
        undrawn=len(found.attributes) - min(len(drawn), DRAWN_ATTRIBUTES),
        missing_rows=[
            [one.name, part.value, part.count, part.share]
            for one in found.attributes
            for part in one.missing_in
        ],
        conflict_photos=[
            photos.card([one.row], [one.id, f"{one.given} → {one.suggested}?", one.reason])
            for one in found.taxonomy_conflicts[:_CONFLICTS_SHOWN]
        ],
        child_photos=[
            photos.card([one.row], [one.id, f"{one.given} → {one.suggested}?", one.reason])
            for one in found.children_as_adults[:_CONFLICTS_SHOWN]
        ],
        crossed=[_crossed(table) for table in found.cross_tables],
        years=_bars(found.years, "products per year") if found.years else None,
        sizes=_file_sizes(found) if found.photos.readable else None,
        exact=_exact_cards(found, catalogue, photos),
        near=_near_cards(found, catalogue, photos),
        examples=[
            {
                "name": one.name,
                "cards": [
                    photos.card(
                        one.examples.get(count.value, [])[:_PHOTOS_PER_CLASS],
                        [count.value, f"{count.count:,}"],
                    )
                    for count in one.classes[:_CLASSES_SHOWN]
                ],
            }
            for one in drawn[:DRAWN_ATTRIBUTES]
        ],
        listed=_LISTED,
    )


def _distribution(one: AttributeSummary) -> dict[str, Any]:
    return {
        "name": one.name,
        "rows": [[count.value, count.count, count.share] for count in one.classes[:_TABLE_ROWS]],
        "linear": _bars(one.classes, f"products per {one.name}"),
        "log": _log_bars(one),
    }


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONG_LABEL else text[: _LONG_LABEL - 1] + "…"


def _bars(classes: Sequence[Count], description: str) -> "Markup":
    shown = classes[:_BARS]
    with drawing(5.2, 0.8 + 0.19 * len(shown)) as (figure, axes):
        places = range(len(shown))
        axes.barh(places, [count.count for count in shown], color=COLOURS[0])
        axes.set_yticks(places, [_shortened(count.value) for count in shown])
        axes.invert_yaxis()
        axes.margins(y=0.01)
        axes.set_xlabel("products")
        return svg(figure, description)


def _log_bars(one: AttributeSummary) -> "Markup":
    with drawing(5.2, 3.2) as (figure, axes):
        sizes = [count.count for count in one.classes]
        # One filled outline, not a bar per class: there may be hundreds.
        axes.stairs(sizes, [rank + 0.5 for rank in range(len(sizes) + 1)], fill=True, baseline=0.5)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylim(0.5, max(sizes) * 2)
        axes.axhline(RARE_BELOW, color=COLOURS[1], linewidth=1)
        axes.set_xlabel(f"{one.name}: classes by rank")
        axes.set_ylabel("products (log scale)")
        return svg(figure, f"products per {one.name} by rank, on a log scale")


def _crossed(table: CrossTable) -> dict[str, Any]:
    """A heat map, the attribute with more values downwards so that it fits a phone."""
    upright = len(table.row_values) >= len(table.column_values)
    counts = (
        table.counts if upright else [list(column) for column in zip(*table.counts, strict=True)]
    )
    names = (table.rows, table.columns) if upright else (table.columns, table.rows)
    down, across = (
        (table.row_values, table.column_values)
        if upright
        else (table.column_values, table.row_values)
    )
    caption = f"{names[0]} by {names[1]}"
    result: dict[str, Any] = {
        "caption": caption,
        "columns": [(names[0], "text"), *((value, "count") for value in across[:_TABLE_ROWS])],
        "rows": [
            [value, *row[:_TABLE_ROWS]]
            for value, row in zip(down[:_TABLE_ROWS], counts, strict=False)
        ],
        "picture": None,
        "shown": "",
    }
    if not down or not across:
        return result
    if len(down) > _HEAT_ROWS or len(across) > _HEAT_COLUMNS:
        result["shown"] = (
            f"Drawn are the first {min(len(down), _HEAT_ROWS)} of {len(down)} by "
            f"{min(len(across), _HEAT_COLUMNS)} of {len(across)} values; the table has all."
        )
    down, across = down[:_HEAT_ROWS], across[:_HEAT_COLUMNS]
    cells = [row[: len(across)] for row in counts[: len(down)]]
    result["picture"] = _heat_map(cells, down, across, caption)
    return result


def _heat_map(
    cells: Sequence[Sequence[int]], down: Sequence[str], across: Sequence[str], caption: str
) -> "Markup":
    colours = require("report", "matplotlib.colors")
    largest = max(max(row) for row in cells)
    with drawing(2.6 + 0.34 * len(across), 1.2 + 0.2 * len(down)) as (figure, axes):
        # Logarithmic, for a few cells hold nearly everything; where nothing is stays blank.
        scale = colours.LogNorm(vmin=1, vmax=max(largest, 2))
        filled = [[count or math.nan for count in row] for row in cells]
        image = axes.pcolormesh(filled, cmap=HEAT, norm=scale)
        axes.set_xticks(
            [place + 0.5 for place in range(len(across))],
            [_shortened(value) for value in across],
            rotation=60,
            ha="right",
            rotation_mode="anchor",
        )
        axes.set_yticks(
            [place + 0.5 for place in range(len(down))], [_shortened(value) for value in down]
        )
        axes.invert_yaxis()
        figure.colorbar(image, ax=axes, fraction=0.05, format="{x:,.0f}", label="products")
        return svg(figure, caption)


def _file_sizes(found: Exploration) -> "Markup":
    with drawing(5.2, 2.6) as (figure, axes):
        photos = found.photos
        edges = [edge / 1000 for edge in photos.byte_edges]
        axes.stairs(photos.byte_counts, edges, fill=True)
        axes.set_xlabel("file size in kB")
        axes.set_ylabel("photos")
        return svg(figure, "how many photos have which file size")


def _exact_cards(found: Exploration, catalogue: "Catalogue", photos: Photos) -> list[Card]:
    cards = [(_at_odds(catalogue, rows), rows) for rows in found.copies.exact]
    cards.sort(key=lambda card: (not card[0], -len(card[1])))
    return [
        photos.card(
            rows[:_COPIES_PER_GROUP],
            [_ids(catalogue, rows), *(odds or ["all labels agree"])],
            "wrong" if odds else "",
        )
        for odds, rows in cards[:_GROUPS_SHOWN]
    ]


def _near_cards(found: Exploration, catalogue: "Catalogue", photos: Photos) -> list[Card]:
    # The least alike first: there a reader sees how far the word "copy" was stretched.
    ordered = sorted(found.copies.near, key=lambda pair: -pair[2])[:_GROUPS_SHOWN]
    cards = []
    for left, right, difference in ordered:
        odds = _at_odds(catalogue, (left, right))
        lines = [
            _ids(catalogue, (left, right)),
            *(odds or ["all labels agree"]),
            f"differ by {difference:.1f} of 255",
        ]
        cards.append(photos.card((left, right), lines, "wrong" if odds else ""))
    return cards


def _ids(catalogue: "Catalogue", rows: Sequence[int]) -> str:
    ids = catalogue.table["id"]
    more = f" and {len(rows) - _COPIES_PER_GROUP} more" if len(rows) > _COPIES_PER_GROUP else ""
    return ", ".join(ids[row] for row in rows[:_COPIES_PER_GROUP]) + more


def _at_odds(catalogue: "Catalogue", rows: Sequence[int]) -> list[str]:
    lines = []
    for name in catalogue.attributes:
        values = dict.fromkeys(catalogue.table[name][row] for row in rows)
        known = [value for value in values if value is not None]
        if len(known) > 1:
            lines.append(f"{name}: {' / '.join(known)}")
    return lines
