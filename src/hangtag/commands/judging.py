"""Commands that look at catalogues and models: `explore`, `evaluate` and `audit`."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.errors import require

_Catalogue = Annotated[
    Path, typer.Argument(help="Zip, folder or table of products.", show_default=False)
]
_Columns = Annotated[
    Path | None, typer.Option(help="A table with more attributes of the same ids.")
]
_PhotoColumn = Annotated[
    str | None, typer.Option(help="Column of the table that holds the photos.")
]

Part = Annotated[str, typer.Option(help="train, validation, test or all.")]
Flip = Annotated[
    bool, typer.Option("--flip", help="Look at mirror images, too: better, but slower.")
]

Turn = Annotated[bool, typer.Option(help="Turn photos upright that lie on a side or upside down.")]


def explore(
    catalogue: _Catalogue,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report: .html or .json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    cross: Annotated[
        list[str] | None,
        typer.Option(help="Count two attributes together: gender:usage. May be repeated."),
    ] = None,
    columns: _Columns = None,
    photo_column: _PhotoColumn = None,
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
    split: Part = "test",
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder or zip of other photos of the same products, named by id."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Also measure as others did: temporal or retrieval."),
    ] = None,
    flip: Flip = False,
    turn: Turn = True,
    columns: _Columns = None,
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
            output=output,
            progress=lambda _, done, total: tell(done, total),
        )
    if as_json:
        typer.echo(report.to_json())
    else:
        report.print()


def audit(
    catalogue: _Catalogue,
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
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "default",
    attributes: Annotated[
        list[str] | None, typer.Option("--attribute", "-a", help="Only this one; may be repeated.")
    ] = None,
    columns: _Columns = None,
    photo_column: _PhotoColumn = None,
) -> None:
    """Find labels that are probably wrong, and correct them in a copy."""
    from hangtag.catalogue import read_catalogue
    from hangtag.progress import step_progress

    if output is None and contact_sheet is None and apply is None and not as_json:
        raise typer.BadParameter("give --output FILE.csv, --contact-sheet, --apply or --json")
    if reviewed is not None and apply is None:
        raise typer.BadParameter("--reviewed needs --apply FOLDER")
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
