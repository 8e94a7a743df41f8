"""The command line of benchmarks that hold several models against each other."""

import argparse
from pathlib import Path


def options(name: str, description: str | None) -> argparse.Namespace:
    """Read ``models``, ``data`` (a folder) and ``split`` from what was typed."""
    parser = argparse.ArgumentParser(prog=f"benchmarks.{name}", description=description)
    parser.add_argument("models", nargs="+", help="names or folders of models")
    parser.add_argument("--data", type=Path, required=True, help="folder of the archives")
    parser.add_argument("--split", default="test")
    return parser.parse_args()
