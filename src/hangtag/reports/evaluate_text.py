"""The evaluation as tables on a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hangtag.precision import DEFAULT
from hangtag.protocols import Outcome
from hangtag.reports.evaluate import photos_of
from hangtag.reports.page import format_cell, format_range
from hangtag.verdict import Evaluation, compare, incomparable, told_apart

# As many as fit a terminal of 80 columns; JSON and HTML have them all.
_COLUMNS = {
    "balanced_accuracy": "balanced",
    "macro_f1": "macro-F1",
    "top5": "top-5",
    "ece": "ECE",
}

_FOR_THEMSELVES = (
    "If the model was trained on this catalogue, these products vote for themselves: judge the "
    "test part, or leave votes out with --no-neighbours"
)


def print_report(
    evaluations: Sequence[Evaluation], outcomes: Sequence[Outcome], console: Console | None = None
) -> None:
    """Print scores, comparisons with the first model, and the outcomes of protocols."""
    console = console or Console()
    evaluations = told_apart(evaluations)
    for evaluation in evaluations:
        _print_scores(evaluation.numbers, console)
        if evaluation.split in {"train", "validation"} and evaluation.tagger.asks_neighbours:
            console.print(_FOR_THEMSELVES, style="yellow")
    if len(seen := photos_of(evaluations)) > 1:
        for line in ["The models were judged on different photos:", *seen]:
            console.print(Text(line))
    for other in evaluations[1:]:
        console.print()
        _print_comparison(evaluations[0], other, console)
    for outcome in outcomes:
        console.print()
        _print_outcome(outcome, console)


def _print_scores(numbers: dict[str, Any], console: Console) -> None:
    title = f"{numbers['model']}: {numbers['photos']:,} photos, {numbers['split']} part, in percent"
    table = _table(title, "attribute")
    for heading in ("photos", "right", "interval", *_COLUMNS.values(), "accepted", "right"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, one in numbers["attributes"].items():
        right = one["scores"]["accuracy"]
        others = [one["scores"][metric]["value"] for metric in _COLUMNS]
        decision = next(one for one in one["decisions"] if one["target"] == DEFAULT)
        others += [decision["coverage"] or None, decision["precision"]]
        table.add_row(
            Text(name),
            f"{one['photos']:,}",
            _number(right["value"]),
            format_range(right, "percent"),
            *(_number(value) for value in others),
        )
    console.print(table)
    console.print(
        f"accepted: what the model's own thresholds accept for --precision {DEFAULT:g}, and how "
        "much of it is right",
        style="dim",
    )
    together = numbers["all_right"]
    if together["photos"]:
        share = format_cell(together["value"], "percent")
        console.print(f"Every attribute right: {share} of {together['photos']:,} photos")
    contradictions = numbers["contradictions"]
    if contradictions:
        share = format_cell(contradictions["value"], "percent")
        console.print(f"Categories that contradict the article type: {share}")
    for name, why in numbers["left_out"].items():
        console.print(Text(f"{name} is not judged: {why}"))
    for one in numbers["unreadable"]:
        console.print(Text(f"{one['photo']}: {one['error']}", "red"))


def _print_comparison(first: Evaluation, other: Evaluation, console: Console) -> None:
    table = _table("Is the difference more than chance? (McNemar, Holm-adjusted)", "attribute")
    for heading in (first.name, other.name, "only first", "only second", "p"):
        table.add_column(Text(heading), justify="right")
    table.add_column("verdict")
    for name, row in compare(first, other).items():
        better = {"first": first.name, "second": other.name}.get(row["better"])
        table.add_row(
            Text(name),
            format_cell(row["first"], "percent"),
            format_cell(row["second"], "percent"),
            f"{row['only_first']:,}",
            f"{row['only_second']:,}",
            f"{row['adjusted']:.3f}",
            Text(f"{better} is better" if better else "could be chance"),
        )
    console.print(table)
    for name, why in incomparable(first, other).items():
        console.print(Text(f"{name} is not compared: {why}"))


def _print_outcome(outcome: Outcome, console: Console) -> None:
    table = _table(f"{outcome.model}, {outcome.protocol} protocol", "of")
    table.add_column("metric")
    table.add_column("count", justify="right")
    table.add_column("ours", justify="right")
    table.add_column("published", overflow="fold")
    for line in outcome.lines:
        published = "; ".join(
            f"{variant} {format_cell(value, 'percent')}"
            for variant, value in line.published.items()
        )
        ours = format_cell(line.ours, "percent")
        table.add_row(Text(line.setting), line.metric, f"{line.count:,}", ours, published or "–")
    console.print(table)
    if outcome.source:
        console.print(Text(f"Published: {outcome.source}."))
    for note in outcome.notes:
        console.print(Text(note))


def _number(share: float | None) -> str:
    return format_cell(share, "percent").removesuffix(" %")


def _table(title: str, first_heading: str) -> Table:
    table = Table(
        title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=0, show_edge=False
    )
    table.add_column(first_heading, no_wrap=True)
    return table
