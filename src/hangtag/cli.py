"""The commands. Each one parses its options, calls one library function and prints the result."""

import inspect
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hangtag.errors import HangtagError, require
from hangtag.server.settings import Settings

app = typer.Typer(
    name="hangtag",
    help="Look at fashion product photos and write their hang tags.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class Engine(StrEnum):
    """Where photos are tagged."""

    LOCAL = "local"
    RAY = "ray"


@app.command()
def tag(
    photos: Annotated[
        list[str],
        typer.Argument(
            help="Photos, folders, globs, zips, tables of paths or URLs (.csv, .tsv, .parquet, "
            ".jsonl), URLs, or - for a list of them on standard input.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Write a table: .csv, .jsonl or .parquet; with Ray: a folder or URL for parts.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "default",
    attributes: Annotated[
        list[str] | None, typer.Option("--attribute", "-a", help="Only this one; may be repeated.")
    ] = None,
    precision: Annotated[
        float, typer.Option(min=0, max=1, help="Share of accepted tags that must be right.")
    ] = 0.95,
    alternatives: Annotated[int, typer.Option(min=0, help="Runner-up values to list.")] = 3,
    photo_column: Annotated[
        str | None, typer.Option(help="Column of the tables that holds the photos.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    engine: Annotated[Engine, typer.Option(help="This machine, or a Ray cluster.")] = Engine.LOCAL,
    progress: Annotated[
        bool | None, typer.Option(help="Show progress (default: when it goes to a terminal).")
    ] = None,
) -> None:
    """Tag photos. A run into a file that was stopped goes on when it is started again."""
    from hangtag.bulk.command import run
    from hangtag.bulk.inputs import Inputs
    from hangtag.bulk.job import StoppedError
    from hangtag.tagger import Tagger

    options: dict[str, Any] = {
        "precision": precision,
        "attributes": attributes,
        "alternatives": alternatives,
    }
    try:
        outcome = run(
            Tagger(model, **options, threads=1),
            Inputs(photos, photo_column),
            output=output,
            as_json=as_json,
            on_ray=engine is Engine.RAY,
            options=options,
            progress=progress,
        )
    except (StoppedError, KeyboardInterrupt) as stopped:
        typer.echo(str(stopped) or "stopped", err=True)
        raise typer.Exit(130) from stopped
    if outcome.errors:
        typer.echo(f"{outcome.errors:,} of {outcome.total:,} photos have errors", err=True)
        raise typer.Exit(1)


def serve(**options: Any) -> None:
    """Serve a model as a REST API, until SIGTERM or Ctrl+C."""
    require("serve", "hangtag.server.application").serve(Settings(**options))


# Each setting is an option, described where it is defined.
serve.__signature__ = inspect.signature(Settings)  # type: ignore[attr-defined]
app.command()(serve)


@app.command("app")
def web_app(
    *,
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "default",
    precision: Annotated[
        float, typer.Option(min=0, max=1, help="Share of accepted tags that must be right.")
    ] = 0.95,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 answers other machines, too.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    browser: Annotated[bool, typer.Option(help="Open it in the web browser.")] = True,
) -> None:
    """Tag photos, review and correct their tags in the web browser, until Ctrl+C."""
    from hangtag.app.launch import launch

    launch(model, precision=precision, host=host, port=port, browser=browser)


@app.command()
def train(
    catalogue: Annotated[Path, typer.Argument(help="Zip, folder or table.", show_default=False)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Model folder to write.", show_default=False)
    ],
    recipe: Annotated[str, typer.Option(help="Name of a recipe that ships, or file.")] = "default",
    alternate: Annotated[
        Path | None, typer.Option(help="Folder or zip of other photos of the products, by id.")
    ] = None,
    extra: Annotated[
        list[Path] | None, typer.Option(help="Another catalogue to learn from; may be repeated.")
    ] = None,
    details: Annotated[
        Path | None, typer.Option(help="Table of further attributes of the products, by id.")
    ] = None,
    split: Annotated[str, typer.Option(help="random or temporal.")] = "random",
    weights: Annotated[
        Path | None, typer.Option(help="Local file of backbone weights (.safetensors or .pth).")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights.")
    ] = False,
    start: Annotated[
        str | None, typer.Option(help="Go on from this model: its name or folder.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in the folder.")
    ] = False,
) -> None:
    """Train a model on a catalogue, calibrate it, judge it on the test products, describe it.

    Examples:

    hangtag train fashion-product-images-small.zip -o my-model

    hangtag train my-shop.csv --start default --recipe fine-tune -o my-model
    """
    from hangtag.progress import step_progress

    with step_progress() as tell:
        folder = require("train", "hangtag.training").train(
            catalogue,
            recipe,
            output,
            alternate=alternate,
            extra=extra or (),
            details=details,
            split=split,
            weights=weights,
            from_scratch=from_scratch,
            start=start,
            resume=resume,
            name=name,
            command=_typed(),
            progress=tell,
        )
    typer.echo(f"{folder}: trained; see {folder / 'README.md'} for its numbers")


@app.command()
def compare(
    catalogue: Annotated[Path, typer.Argument(help="Zip, folder or table.", show_default=False)],
    *,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="Name of a recipe that ships, or file; repeat for each."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Name or folder of a further model; may be repeated.")
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Write .html, .md or .json; may be repeated."),
    ] = None,
    models: Annotated[
        Path, typer.Option(help="Folder that keeps the recipes' models, and has those there are.")
    ] = Path("compared"),
    split: Annotated[str, typer.Option(help="random or temporal.")] = "random",
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Local file of a recipe's backbone weights; may be repeated.", metavar="NAME=FILE"
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start all from random weights.")
    ] = False,
) -> None:
    """Train recipes, or take their models where they are there, and set them side by side.

    Example: hangtag compare small.zip --recipe default --recipe resnet18-four -o table.md
    """
    from hangtag.progress import step_progress

    files = dict(pair.partition("=")[::2] for pair in weights or [])
    if not all(files.values()):
        raise typer.BadParameter("--weights takes a recipe's name and a file: resnet18-four=FILE")
    run = require("train", "hangtag.comparison")
    forms = require("report", "hangtag.reports.compare")
    for file in output or []:
        forms.check_output(file)
    with step_progress() as tell:
        found = run.compare_recipes(
            catalogue,
            recipe or [],
            models=model or [],
            folder=models,
            split=split,
            weights=files,
            from_scratch=from_scratch,
            progress=tell,
        )
    for file in output or []:
        forms.write(found, file)
    forms.print_comparison(found)


@app.command()
def tune(
    catalogue: Annotated[Path, typer.Argument(help="Zip, folder or table.", show_default=False)],
    *,
    recipe: Annotated[str, typer.Option(help="Name of a recipe that ships, or file.")] = "default",
    trials: Annotated[
        int, typer.Option(min=1, help="How many in all, with those of earlier runs.")
    ] = 20,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Recipe file to write; the trials lie beside it.")
    ] = Path("tuned.toml"),
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each trial.")] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(help="Height and width of the trials' photos.")
    ] = None,
    split: Annotated[str, typer.Option(help="random or temporal.")] = "random",
    weights: Annotated[
        Path | None, typer.Option(help="Local file of backbone weights (.safetensors or .pth).")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights.")
    ] = False,
) -> None:
    """Search a recipe's numbers on the validation products. Run again to go on after a stop.

    Example: hangtag tune small.zip --recipe cnn-four --trials 20 --epochs 3 --size 40 30
    """
    from hangtag.progress import step_progress

    run = require("train", "hangtag.tuning")
    with step_progress() as tell:
        study = run.tune(
            catalogue,
            recipe,
            output,
            trials=trials,
            split=split,
            weights=weights,
            from_scratch=from_scratch,
            epochs=epochs,
            size=size,
            progress=tell,
        )
    plot = output.with_suffix(".svg")
    if run.importance_plot(study, plot):
        typer.echo(f"{plot}: how much each number matters")
    first = study.trials[0].value
    before = "" if first is None else f", {first:.2f} with the recipe as it was"
    typer.echo(
        f"{output}: best of {len(study.trials)} trials, mean validation accuracy "
        f"{study.best_value:.2f}{before}"
    )


def _typed() -> str:
    """The command as it was typed, with files by their names alone."""
    words = [Path(word).name if Path(word).exists() else word for word in sys.argv[1:]]
    return shlex.join(["hangtag", *words])


@app.command()
def fetch(
    size: Annotated[str, typer.Argument(help="small (0.6 GB) or full (25 GB).", metavar="SIZE")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to put the dataset in.")
    ] = None,
    hub: Annotated[str, typer.Option("--from", help="kaggle or huggingface.")] = "kaggle",
) -> None:
    """Download the public dataset, Fashion Product Images. Run again to go on after a stop."""
    from hangtag.catalogue import read_catalogue
    from hangtag.download import fetch as download

    folder = download(size, output, hub=hub)
    typer.echo(f"{folder}: {read_catalogue(folder).summary()}")


@app.command()
def explore(
    catalogue: Annotated[
        Path, typer.Argument(help="Zip, folder or table of products.", show_default=False)
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report: .html or .json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    cross: Annotated[
        list[str] | None,
        typer.Option(help="Count two attributes together: gender:usage. May be repeated."),
    ] = None,
    columns: Annotated[
        Path | None, typer.Option(help="A table with more attributes of the same ids.")
    ] = None,
    photo_column: Annotated[
        str | None, typer.Option(help="Column of the table that holds the photos.")
    ] = None,
) -> None:
    """Show what is in a catalogue, and what is wrong with it."""
    from hangtag.catalogue import read_catalogue
    from hangtag.progress import progress_bar

    if output is None and not as_json:
        raise typer.BadParameter("give --output FILE, --json or both")
    pairs = [tuple(pair.split(":")) for pair in cross or []]
    if any(len(pair) != 2 for pair in pairs):
        raise typer.BadParameter("--cross takes two attributes with a colon between: gender:usage")
    products = read_catalogue(catalogue, photo_column=photo_column)
    if columns is not None:
        products = products.with_columns_from(columns)
    reports = require("report", "hangtag.reports.explore")
    with progress_bar("reading photos") as tell:
        report = reports.run(products, crossed=pairs, output=output, progress=tell)
    for line in [report.to_json()] if as_json else report.found.summary:
        typer.echo(line)


@app.command()
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
    split: Annotated[str, typer.Option(help="train, validation, test or all.")] = "test",
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder or zip of other photos of the same products, named by id."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Also measure as others did: temporal or retrieval."),
    ] = None,
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
            protocol=protocol,
            output=output,
            progress=lambda _, done, total: tell(done, total),
        )
    if as_json:
        typer.echo(report.to_json())
    else:
        report.print()


class Form(StrEnum):
    """What a model can be exported to."""

    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Name or folder of the model.")],
    *,
    form: Annotated[
        Form, typer.Option("--format", help="The ONNX graph, or a model folder computing in int8.")
    ] = Form.ONNX,
    output: Annotated[Path, typer.Option("--output", "-o", help="File or folder to write.")],
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Catalogue that the model was trained on; int8 needs its photos."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Points of accuracy that int8 may lose on any attribute.")
    ] = 0.3,
) -> None:
    """Write a model in another form."""
    from hangtag.export import export_int8, export_onnx
    from hangtag.progress import step_progress

    if form is Form.ONNX:
        export_onnx(model, output)
        return
    if calibrate is None:
        raise HangtagError("onnx-int8: needs photos; name the catalogue with --calibrate")
    with step_progress() as tell:
        change = export_int8(model, calibrate, output, tolerance=tolerance, progress=tell)
    for attribute, points in change.items():
        typer.echo(f"{attribute:16} {points:+.2f} points of accuracy")


@app.command()
def audit(
    catalogue: Annotated[
        Path, typer.Argument(help="Zip, folder or table of products.", show_default=False)
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the suspicions: a CSV file.")
    ] = None,
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Write the surest with their photos: an HTML file.")
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
    columns: Annotated[
        Path | None, typer.Option(help="A table with more attributes of the same ids.")
    ] = None,
    photo_column: Annotated[
        str | None, typer.Option(help="Column of the table that holds the photos.")
    ] = None,
) -> None:
    """Find labels that are probably wrong, and correct them in a copy."""
    from hangtag.catalogue import read_catalogue
    from hangtag.progress import step_progress

    if output is None and contact_sheet is None and apply is None:
        raise typer.BadParameter("give --output FILE.csv, --contact-sheet or --apply")
    if reviewed is not None and apply is None:
        raise typer.BadParameter("--reviewed needs --apply FOLDER")
    products = read_catalogue(catalogue, photo_column=photo_column)
    if columns is not None:
        products = products.with_columns_from(columns)
    run = require("report", "hangtag.reports.audit_run")
    with step_progress() as tell:
        lines = run.run(
            products,
            model=model,
            attributes=attributes,
            output=output,
            contact_sheet=contact_sheet,
            apply=apply,
            sure=sure,
            reviewed=reviewed,
            progress=tell,
        )
    for line in lines:
        typer.echo(line)


def main() -> None:
    """Run the command line; the entry point that the package installs."""
    try:
        app()
    except HangtagError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
