"""Commands that look at catalogues and models: `explore`, `evaluate` and `audit`."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.commands import options
from hangtag.errors import require


def explore(
    catalogue: options.Catalogue,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report: .html or .json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    cross: Annotated[
        list[str] | None,
        typer.Option(help="Count two attributes together: gender:usage. May be repeated."),
    ] = None,
    columns: options.Columns = None,
    photo_column: options.PhotoColumn = None,
) -> None:
    """Show what is in a catalogue, and what is wrong with it."""
    from hangtag.catalogue import read_catalogue
    from hangtag.progress import progress_bar

    if output is None and not as_json:
        raise typer.BadParameter("give --output FILE, --json or both")
    pairs = [tuple(pair.split(":")) for pair in cross or []]
    if any(len(pair) != 2 for pair in pairs):
        raise typer.BadParameter("--cross takes two attributes with a colon between: gender:usage")
    products = read_catalogue(catalogue, photo_column=photo_column, columns=columns)
    reports = require("report", "hangtag.reports.explore")
    with progress_bar("reading photos") as tell:
        report = reports.run(products, crossed=pairs, output=output, progress=tell)
    for line in [report.to_json()] if as_json else report.found.summary:
        typer.echo(line)


def evaluate(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Names or folders of models, then the catalogue; without a model, the default "
            "one is judged.",
            metavar="[MODEL]... CATALOGUE",
            show_default=False,
        ),
    ],
    *,
    split: options.Part = "test",
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder or zip of other photos of the same products, named by id."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Also measure as others did: temporal or retrieval."),
    ] = None,
    flip: options.Flip = False,
    turn: options.Turn = True,
    neighbours: options.Neighbours = True,
    columns: options.Columns = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report: .html or .json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Judge models by the labels of a catalogue, one model against the others."""
    from hangtag.progress import progress_bar

    run = require("report", "hangtag.reports.evaluate_run")
    with progress_bar("tagging photos") as tell:
        report = run.run(
            paths[:-1] or ["default"],
            paths[-1],
            split=split,
            photos=photos,
            columns=columns,
            protocol=protocol,
            flip=flip,
            turn=turn,
            neighbours=neighbours,
            output=output,
            progress=lambda _, done, total: tell(done, total),
        )
    if as_json:
        typer.echo(report.to_json())
    else:
        report.print()


def audit(
    catalogue: options.Catalogue,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the suspicions: a CSV file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the suspicions as JSON.")] = False,
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Write the surest with their photos: an HTML file.")
    ] = None,
    least: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Score below which suspicions are counted, not listed."),
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option(help="Write a corrected catalogue and a log of its changes: a new folder."),
    ] = None,
    sure: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Score from which on --apply corrects a label."),
    ] = None,
    reviewed: Annotated[
        Path | None,
        typer.Option(help="Don't search: apply this table, written by -o and gone through."),
    ] = None,
    model: options.Model = "default",
    attributes: options.Attributes = None,
    columns: options.Columns = None,
    photo_column: options.PhotoColumn = None,
) -> None:
    """Find labels that are probably wrong, and correct them in a copy."""
    from hangtag.catalogue import read_catalogue
    from hangtag.progress import step_progress

    if output is None and contact_sheet is None and apply is None and not as_json:
        raise typer.BadParameter("give --output FILE.csv, --contact-sheet, --apply or --json")
    if reviewed is not None and apply is None:
        raise typer.BadParameter("--reviewed needs --apply FOLDER")
    if reviewed is not None and (sure is not None or least is not None):
        raise typer.BadParameter(
            "--reviewed applies all of its table; leave out --sure and --least"
        )
    products = read_catalogue(catalogue, photo_column=photo_column, columns=columns)
    run = require("report", "hangtag.reports.audit_run")
    with step_progress() as tell:
        found, lines = run.run(
            products,
            model=model,
            attributes=attributes,
            least=least,
            output=output,
            contact_sheet=contact_sheet,
            apply=apply,
            sure=sure,
            reviewed=reviewed,
            progress=tell,
        )
    if as_json:
        typer.echo(found.to_json())
    for line in lines:
        typer.echo(line, err=as_json)
