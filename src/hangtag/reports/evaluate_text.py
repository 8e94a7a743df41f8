"""The evaluation as tables on a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hangtag.evaluation import METRICS
from hangtag.protocols import Outcome
from hangtag.reports.evaluate import HEADINGS, SIGNIFICANT
from hangtag.reports.page import format_cell, format_range
from hangtag.verdict import Evaluation, compare

_LEFT_OUT = "weighted_f1"  # so that the table fits a usual terminal


def print_report(
    evaluations: Sequence[Evaluation], outcomes: Sequence[Outcome], console: Console | None = None
) -> None:
    """Print scores, comparisons with the first model, and the outcomes of protocols."""
    console = console or Console()
    for evaluation in evaluations:
        _print_scores(evaluation.numbers, console)
    for other in evaluations[1:]:
        _print_comparison(evaluations[0], other, console)
    for outcome in outcomes:
        _print_outcome(outcome, console)


def _print_scores(numbers: dict[str, Any], console: Console) -> None:
    title = f"{numbers['model']}: {numbers['photos']:,} photos, {numbers['split']} part"
    table = _table(title, "attribute")
    metrics = [metric for metric in METRICS if metric != _LEFT_OUT]
    for heading in ("photos", *(HEADINGS[metric][0] for metric in metrics)):
        table.add_column(heading, justify="right")
        if heading == HEADINGS["accuracy"][0]:
            table.add_column("95 % interval", justify="right")
    for name, one in numbers["attributes"].items():
        cells = []
        for metric in metrics:
            score, style = one["scores"][metric], HEADINGS[metric][1]
            cells.append(format_cell(score["value"], style))
            if metric == "accuracy":
                cells.append(format_range(score, style))
        table.add_row(Text(name), f"{one['photos']:,}", *cells)
    console.print(table)
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
    for heading in (first.info.name, other.info.name, "only first", "only second", "p"):
        table.add_column(Text(heading), justify="right")
    table.add_column("verdict")
    for name, row in compare(first, other).items():
        better = first if row["first"] > row["second"] else other
        sure = row["adjusted"] < SIGNIFICANT
        table.add_row(
            Text(name),
            format_cell(row["first"], "percent"),
            format_cell(row["second"], "percent"),
            f"{row['only_first']:,}",
            f"{row['only_second']:,}",
            f"{row['adjusted']:.3f}",
            Text(f"{better.info.name} is better" if sure else "could be chance"),
        )
    console.print(table)


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
    console.print(Text(f"Published: {outcome.source}."))
    for note in outcome.notes:
        console.print(Text(note))


def _table(title: str, first_heading: str) -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column(first_heading, no_wrap=True)
    return table
