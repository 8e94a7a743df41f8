"""The script that trains the model that ships types commands that the program takes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from hangtag.cli import app
from hangtag.recipe_file import read_recipe

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "default_model.sh"
ARCHIVES = ("fashion-product-images-small.zip", "larger.zip", "real-world.zip", "details.csv")

STAND_IN = """#!/bin/sh
echo "$@" >> typed
while [ "$1" != -o ]; do shift; done
mkdir -p "$2/checkpoints"
if [ "$2" = "$STOPS" ]; then touch "$2/checkpoints/step-0000200.ckpt"; exit 130; fi
echo {} > "$2/model.json"
"""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """An empty folder beside archives and a program that only notes what it was asked for."""
    (tmp_path / "data").mkdir()
    for name in ARCHIVES:
        (tmp_path / "data" / name).touch()
    (tmp_path / "hangtag").write_text(STAND_IN)
    (tmp_path / "hangtag").chmod(0o755)
    return tmp_path / "runs"


def _start(runs: Path, *, stops: str = "") -> tuple[int, list[list[str]]]:
    (runs / "typed").unlink(missing_ok=True)
    environment = {
        **os.environ,
        "PATH": f"{runs.parent}{os.pathsep}{os.environ['PATH']}",
        "STOPS": stops,
    }
    sh = shutil.which("sh")
    assert sh is not None
    done = subprocess.run(
        [sh, SCRIPT, runs.parent / "data", runs], env=environment, check=False, timeout=60
    )
    typed = runs / "typed"
    lines = typed.read_text().splitlines() if typed.exists() else []
    return done.returncode, [line.split() for line in lines]


def test_its_commands_are_understood_and_name_runs_before_them(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, typed = _start(runs)
    assert code == 0
    monkeypatch.chdir(runs)
    group = typer.main.get_command(app)
    there: list[str] = []
    for name, *words in typed:
        given = group.commands[name].make_context(name, [*words]).params  # type: ignore[attr-defined]
        if name == "train":
            read_recipe(given["recipe"])
            models = [*([given["start"]] if given["start"] else []), *(given["teacher"] or [])]
        else:
            models = given["models"][:-1]
        assert {str(model).split("/")[0] for model in models} <= set(there), words
        assert all(Path(table).exists() for table in given["details"] or [])
        there.append(str(given["output"]))


def test_it_goes_on_where_it_was_stopped(runs: Path) -> None:
    code, before = _start(runs, stops="wide")
    assert code != 0
    assert before[-1][before[-1].index("-o") + 1] == "wide"
    code, after = _start(runs)
    assert code == 0
    assert after[0] == [*before[-1], "--resume"]
    assert not any("--resume" in words for words in after[1:])
    assert _start(runs) == (0, [])
