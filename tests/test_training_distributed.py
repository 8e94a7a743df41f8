"""Training by several processes under torchrun, as on several GPUs or hosts."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import TINY_RECIPE
from hangtag.model import read_model

PATIENCE = 240


def torchrun(processes: int, catalogue: Path, folder: Path, *options: str) -> subprocess.Popen:
    recipe = folder.parent / "tiny.toml"
    recipe.write_text(TINY_RECIPE)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    train = ["-m", "hangtag.cli", "train", str(catalogue), "--recipe", str(recipe)]
    return subprocess.Popen(
        [sys.executable, *launcher, *train, "-o", str(folder), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses(folder: Path) -> list[float]:
    with (folder / "logs" / "metrics.csv").open() as file:
        return [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]


@pytest.fixture(scope="module")
def by_two(drawn_catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two") / "model"
    run = torchrun(2, drawn_catalogue, folder)
    _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, errors
    return folder


def test_two_processes_learn_what_one_learns(
    by_two: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    run = torchrun(1, drawn_catalogue, tmp_path / "one")
    _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, errors
    one, two = losses(tmp_path / "one"), losses(by_two)
    assert len(one) == len(two) == 8
    # The batches are the same; augmentation and batch norm see half of each.
    assert abs(one[-1] - two[-1]) < 0.35 * one[0]
    for folder in (tmp_path / "one", by_two):
        numbers = read_model(folder).info.numbers["test"]
        assert numbers["articleType"]["accuracy"] > 0.85


def test_a_killed_run_of_two_goes_on(drawn_catalogue: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    run = torchrun(2, drawn_catalogue, folder)
    deadline = time.monotonic() + PATIENCE
    while not (folder / "checkpoints" / "best.ckpt").exists():
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    again = torchrun(2, drawn_catalogue, folder, "--resume")
    _, errors = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, errors
    assert read_model(folder).info.numbers["test"]["articleType"]["accuracy"] > 0.85
