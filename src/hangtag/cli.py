"""The commands. Each one parses its options, calls one library function and prints the result."""

import sys

import typer

from hangtag.errors import HangtagError

app = typer.Typer(
    name="hangtag",
    help="Look at fashion product photos and write their hang tags.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line; the entry point that the package installs."""
    try:
        app()
    except HangtagError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
