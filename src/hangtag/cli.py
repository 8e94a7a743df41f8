"""The commands. Each one parses its options, calls one library function and prints the result."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
        Path | None,
        typer.Option("--output", "-o", help="Write a table: .csv, .jsonl or .parquet."),
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
    from hangtag.bulk import job, terminal
    from hangtag.bulk.inputs import Inputs
    from hangtag.tagger import Tagger

    inputs = Inputs(photos, photo_column)
    options = {"precision": precision, "attributes": attributes, "alternatives": alternatives}
    shown = (
        sys.stderr.isatty() and (output is not None or as_json) if progress is None else progress
    )
    try:
        with terminal.progress_bar(shown) as tell:
            tagger = Tagger(model, **options, threads=1)
            names = [attribute.name for attribute in tagger.attributes]
            if output is not None:
                outcome = job.tag_to_file(tagger, inputs, output, options=options, progress=tell)
            elif as_json:
                write = job.json_writer(sys.stdout.buffer)
                outcome = job.tag_to(tagger, inputs, write, progress=tell)
            else:
                tables = terminal.TagTables(names)
                outcome = job.tag_to(tagger, inputs, tables.write, progress=tell)
                tables.finish()
    except (job.StoppedError, KeyboardInterrupt) as stopped:
        typer.echo(str(stopped) or "stopped", err=True)
        raise typer.Exit(130) from stopped
    if outcome.errors:
        typer.echo(f"{outcome.errors:,} of {outcome.total:,} photos have errors", err=True)
        raise typer.Exit(1)


@app.command(rich_help_panel="Serve")
def serve(
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = Settings.model,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 answers other machines.")
    ] = Settings.host,
    port: Annotated[int, typer.Option(min=1, max=65535)] = Settings.port,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; each loads the model.")
    ] = Settings.workers,
    threads: Annotated[
        int, typer.Option(min=0, help="Threads per worker; 0 shares the cores among them.")
    ] = Settings.threads,
    precision: Annotated[
        float, typer.Option(min=0, max=1, help="Share of accepted tags that should be right.")
    ] = Settings.precision,
    alternatives: Annotated[
        int, typer.Option(min=0, help="Other values that each tag lists.")
    ] = Settings.alternatives,
    max_batch: Annotated[
        int, typer.Option(min=1, help="Photos that go through the network together.")
    ] = Settings.max_batch,
    max_wait_ms: Annotated[
        float, typer.Option(min=0, help="Milliseconds that a batch waits for more photos.")
    ] = Settings.max_wait_ms,
    queue: Annotated[
        int, typer.Option(min=1, help="Photos a worker takes before it answers 503.")
    ] = Settings.queue,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds for an upload, and again for its tags.")
    ] = Settings.timeout,
    max_photo_mb: Annotated[
        float, typer.Option(min=0.01, help="Largest photo, in MiB.")
    ] = Settings.max_photo_mb,
    max_upload_mb: Annotated[
        float, typer.Option(min=0.01, help="Largest request with many photos, in MiB.")
    ] = Settings.max_upload_mb,
    max_memory_mb: Annotated[
        float, typer.Option(min=0.01, help="Uploads held at the same time, in MiB per worker.")
    ] = Settings.max_memory_mb,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Largest photo, in pixels.")
    ] = Settings.max_pixels,
    max_files: Annotated[int, typer.Option(min=1, help="Photos per request.")] = Settings.max_files,
    api_key: Annotated[
        str,
        typer.Option(
            envvar="HANGTAG_API_KEY",
            help="What clients must send as X-API-Key. Better set by the environment variable: "
            "a command line can be read by other users of the machine.",
        ),
    ] = Settings.api_key,
    cors: Annotated[
        list[str] | None,
        typer.Option(help="Origin whose pages may call the API; may be repeated."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least level logged.")
    ] = Settings.log_level,
) -> None:
    """Serve a model as a REST API, until SIGTERM or Ctrl+C."""
    settings = Settings(**{**locals(), "cors": tuple(cors or ())})
    require("serve", "hangtag.server.application").serve(settings)


def main() -> None:
    """Run the command line; the entry point that the package installs."""
    try:
        app()
    except HangtagError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
