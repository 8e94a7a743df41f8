"""The commands. Each one parses its options, calls one library function and prints the result."""

import inspect
import signal
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hangtag import __version__
from hangtag.commands import judging, options, training
from hangtag.errors import HangtagError, require
from hangtag.precision import DEFAULT
from hangtag.server.settings import Settings

app = typer.Typer(
    name="hangtag",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hangtag {__version__}")
        raise typer.Exit


@app.callback()
def hangtag(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Look at fashion product photos and write their hang tags."""


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
    model: options.Model = "default",
    attributes: options.Attributes = None,
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="Tag also a neck, a sleeve length, …, of the article types that have it.",
        ),
    ] = False,
    precision: options.Precision = DEFAULT,
    alternatives: Annotated[int, typer.Option(min=0, help="Runner-up values to list.")] = 3,
    flip: options.Flip = False,
    turn: options.Turn = True,
    neighbours: options.Neighbours = True,
    photo_column: options.PhotoColumn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines (without -o).")] = False,
    engine: Annotated[Engine, typer.Option(help="This machine, or a Ray cluster.")] = Engine.LOCAL,
    progress: Annotated[
        bool | None, typer.Option(help="Show progress (default: when it goes to a terminal).")
    ] = None,
) -> None:
    """Tag photos. A run into a file that was stopped goes on when it is started again.

    Examples:

    hangtag tag shirt.jpg

    hangtag tag photos/ -o tags.csv

    hangtag tag products.csv --photo-column image --json
    """
    from hangtag.bulk.command import run
    from hangtag.bulk.inputs import Inputs
    from hangtag.bulk.job import StoppedError
    from hangtag.tagger import Tagger

    chosen: dict[str, Any] = {
        "precision": precision,
        "attributes": attributes,
        "details": details,
        "alternatives": alternatives,
        "flip": flip,
        "turn": turn,
        "neighbours": neighbours,
    }
    try:
        outcome = run(
            Tagger(model, **chosen, threads=1),
            Inputs(photos, photo_column),
            output=output,
            as_json=as_json,
            on_ray=engine is Engine.RAY,
            options=chosen,
            progress=progress,
        )
    except (StoppedError, KeyboardInterrupt) as stopped:
        typer.echo(str(stopped) or "stopped", err=True)
        raise typer.Exit(130) from stopped
    for note in outcome.notes:
        typer.echo(note, err=True)
    if output is not None and as_json:
        typer.echo("--json not used: it is for standard output; see the ending of -o", err=True)
    if output is not None:
        before = ", in place of what it held" if outcome.replaced else ""
        typer.echo(f"{output}: {outcome.total:,} photos{before}", err=True)
    if outcome.errors:
        typer.echo(f"{outcome.errors:,} of {outcome.total:,} photos have errors", err=True)
        raise typer.Exit(1)


def serve(**settings: Any) -> None:
    """Serve a model as a REST API, until SIGTERM or Ctrl+C."""
    require("serve", "hangtag.server.application").serve(Settings(**settings))


# Each setting is an option, described where it is defined.
serve.__signature__ = inspect.signature(Settings)  # type: ignore[attr-defined]
app.command()(serve)


@app.command("app")
def web_app(
    *,
    model: options.Model = "default",
    precision: options.Precision = DEFAULT,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8501,
    browser: Annotated[bool, typer.Option(help="Open it in the web browser.")] = True,
) -> None:
    """Tag photos, review and correct their tags in the web browser, until Ctrl+C."""
    from hangtag.app.launch import launch

    launch(model, precision=precision, host=host, port=port, browser=browser)


app.command()(training.train)
app.command()(training.average)
app.command()(training.ensemble)
app.command()(training.calibrate)
app.command()(training.compare)
app.command()(training.tune)


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


app.command()(judging.explore)
app.command()(judging.evaluate)


class Form(StrEnum):
    """What a model can be exported to."""

    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"


@app.command()
def export(
    model: options.ModelName,
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
        typer.echo(f"{export_onnx(model, output)}: uint8 photos (N, h, w, 3) in, logits out")
        return
    if calibrate is None:
        raise HangtagError("onnx-int8: needs photos; name the catalogue with --calibrate")
    with step_progress() as tell:
        change = export_int8(model, calibrate, output, tolerance=tolerance, progress=tell)
    for attribute, points in change.items():
        typer.echo(f"{attribute:16} {points:+.2f} points of accuracy")


app.command()(judging.audit)


def main() -> None:
    """Run the command line; the entry point that the package installs."""
    try:
        app()
    except HangtagError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    finally:
        # Threads may still be at work; a further Ctrl-C ends them without a word.
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
