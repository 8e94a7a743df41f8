"""The tag command on folders and tables, killed and stopped in between."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars
import pytest
from typer.testing import CliRunner, Result

from drawing import draw_broken_photos, draw_garment
from hangtag.bulk import pipeline
from hangtag.bulk.inputs import Inputs
from hangtag.bulk.job import tag_to_file
from hangtag.bulk.pipeline import Plan, tag_in_order
from hangtag.cli import app
from hangtag.errors import HangtagError
from hangtag.tagger import Tagger

BROKEN = {"empty.jpg", "text.jpg", "truncated.jpg"}
MANY = 3000
DEFAULTS = {
    "precision": 0.95,
    "attributes": None,
    "details": False,
    "alternatives": 3,
    "flip": False,
    "turn": True,
    "neighbours": True,
}
"""What the command's options are when none is given."""


def hangtag(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["tag", *map(str, arguments)])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = draw_broken_photos(tmp_path_factory.mktemp("photos"))
    for number, kind in enumerate(("Jeans", "Heels", "Watches")):
        draw_garment(kind, "Blue", seed=number).save(folder / f"drawn{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def table(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the same few photos again and again, so that a run takes some seconds."""
    paths = sorted(photos.iterdir())
    path = tmp_path_factory.mktemp("table") / "photos.csv"
    lines = (str(paths[row % len(paths)]) for row in range(MANY))
    path.write_text("photo\n" + "\n".join(lines) + "\n")
    return path


def test_every_photo_becomes_a_row_in_order(photos: Path, tiny_model: Path):
    result = hangtag(photos, "--model", tiny_model, "--json")
    assert result.exit_code == 1
    assert f"{len(BROKEN)} of 11 photos have errors" in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    paths = sorted(photos.iterdir())
    assert [row["photo"] for row in rows] == [str(path) for path in paths]
    assert {Path(row["photo"]).name for row in rows if row["error"]} == BROKEN
    tagger = Tagger(tiny_model)
    for row, path in zip(rows, paths, strict=True):
        alone = tagger.tag(path).to_dict()
        assert {name: tag["value"] for name, tag in row["tags"].items()} == {
            name: tag["value"] for name, tag in alone["tags"].items()
        }
        for name, tag in row["tags"].items():
            assert tag["confidence"] == pytest.approx(alone["tags"][name]["confidence"], abs=2e-4)
        assert row["error"] == alone["error"]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_files(ending: str, photos: Path, tiny_model: Path, tmp_path: Path):
    output = tmp_path / f"tags{ending}"
    result = hangtag(photos, "--model", tiny_model, "-o", output, "-a", "baseColour")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    if ending == ".jsonl":
        rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
        assert set(rows[0]["tags"]) == {"baseColour"}
    else:
        read = polars.read_csv if ending == ".csv" else polars.read_parquet
        rows = read(output).to_dicts()
        assert "articleType" not in rows[0]
        assert rows[0]["baseColour_decision"] in ("accept", "review")
    assert len(rows) == 11
    assert sum(row["error"] is not None for row in rows) == len(BROKEN)


def test_options_that_are_not_used_are_named(photos: Path, tiny_model: Path, tmp_path: Path):
    photo, output = photos / "drawn0.jpg", tmp_path / "tags.csv"
    result = hangtag(
        photo, "--model", tiny_model, "-o", output, "--json", "--photo-column", "image"
    )
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "--json not used" in result.stderr
    assert "photo column 'image' not used: there is no table" in result.stderr


def test_tables_on_the_terminal(photos: Path, tiny_model: Path):
    one = hangtag(photos / "drawn0.jpg", "--model", tiny_model)
    assert one.exit_code == 0
    assert "articleType" in one.stdout
    assert "alternatives" in one.stdout
    many = hangtag(photos, "--model", tiny_model, "-a", "articleType")
    assert many.exit_code == 1
    assert "article type" in many.stdout
    assert "the file is empty" in many.stdout.replace("\n", " ")


def test_photos_are_turned_upright_unless_they_are_to_be_left(turning_model: Path, tmp_path: Path):
    draw_garment("Heels", "Blue", (320, 240)).rotate(180).save(tmp_path / "heel.png")
    command = (tmp_path / "heel.png", "--model", turning_model)
    assert "turned by 180° clockwise" in hangtag(*command).stdout
    assert json.loads(hangtag(*command, "--json").stdout)["turned"] == 180
    left = hangtag(*command, "--no-turn")
    assert left.exit_code == 0
    assert "clockwise" not in left.stdout


def test_a_narrow_terminal_leaves_out_what_the_article_type_implies(
    photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
):
    for width, there in (("80", False), ("140", True)):
        monkeypatch.setenv("COLUMNS", width)
        shown = hangtag(photos, "--model", tiny_model).stdout
        assert ("sub category" in shown) is there
        assert ("subCategory: in a wider window" in shown) is not there


def test_expected_failures_are_one_line(photos: Path, tiny_model: Path, tmp_path: Path):
    for arguments, reason in (
        ((photos, "-o", tmp_path / "tags.xml"), "unknown kind of output"),
        ((tmp_path,), "no photos there"),
        ((photos, "-a", "shoe size"), "no attribute 'shoe size'"),
    ):
        result = hangtag(*arguments, "--model", tiny_model)
        assert isinstance(result.exception, HangtagError)
        assert reason in str(result.exception)
        assert "\n" not in str(result.exception)


def test_inputs_are_never_overwritten(photos: Path, tiny_model: Path, tmp_path: Path):
    products = tmp_path / "products.csv"
    products.write_text(f"photo,price\n{photos / 'drawn0.jpg'},9.99\n")
    (tmp_path / "link.csv").symlink_to(products)
    before = products.read_bytes()
    for source, output in (
        (products, products),
        (products, tmp_path / "link.csv"),
        (tmp_path / "link.csv", products),
        (tmp_path / "prod*.csv", products),
    ):
        result = hangtag(source, "--model", tiny_model, "-o", output)
        assert "is one of the inputs" in str(result.exception)
        assert products.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "products.csv"]


def test_a_mistyped_source_leaves_earlier_results_alone(
    photos: Path, tiny_model: Path, tmp_path: Path
):
    good = tmp_path / "good.csv"
    good.write_text("results")
    result = hangtag(tmp_path / "phtos", photos, "--model", tiny_model, "-o", good)
    assert isinstance(result.exception, HangtagError)
    assert "phtos: no such file or folder" in str(result.exception)
    assert good.read_text() == "results"
    assert [path.name for path in tmp_path.iterdir()] == ["good.csv"]


def test_one_photo_never_stops_the_others(
    photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
):
    read = pipeline.read_photo

    def broken(source: Path, **options) -> np.ndarray:
        if source.name == "drawn1.jpg":
            raise RuntimeError("a reader\ngone wrong")
        return read(source, **options)

    monkeypatch.setattr(pipeline, "read_photo", broken)
    items = Inputs([str(photos / f"drawn{number}.jpg") for number in range(3)])
    (results,) = tag_in_order(Tagger(tiny_model, threads=1), items, Plan(1, 1))
    assert [result.error is None for result in results] == [True, False, True]
    assert "drawn1.jpg: can't be read (RuntimeError: a reader gone wrong)" in results[1].error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_full_disk_behind_standard_output_is_one_line(
    options: list[str], photos: Path, tiny_model: Path
):
    tag = [sys.executable, "-m", "hangtag.cli", "tag", str(photos / "drawn0.jpg"), *options]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*tag, "--model", str(tiny_model)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: can't be written (No space left")
    assert done.stderr.count("\n") == 1


def test_names_that_are_no_text_are_shown(photos: Path, tiny_model: Path, tmp_path: Path):
    for name in (b"a\xff.jpg", b"b\xff.jpg"):
        (tmp_path / os.fsdecode(name)).write_bytes((photos / "drawn0.jpg").read_bytes())
    for source in (tmp_path, tmp_path / os.fsdecode(b"a\xff.jpg")):
        result = hangtag(source, "--model", tiny_model)
        assert result.exit_code == 0
        assert "a?.jpg" in result.stdout


def test_no_more_is_under_way_than_planned(photos: Path, tiny_model: Path):
    plan = Plan(readers=2, runners=2, batch=4)
    drawn = 0

    def items():
        nonlocal drawn
        (item,) = Inputs([str(photos / "drawn0.jpg")])
        for _ in range(400):
            drawn += 1
            yield item

    done = 0
    for results in tag_in_order(Tagger(tiny_model, threads=1), items(), plan):
        assert drawn - done <= (plan.batches_under_way + 1) * plan.batch
        done += len(results)
    assert done == 400


def command(table: Path, model: Path, output: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "hangtag.cli", "tag", str(table)),
        *("--model", str(model), "-o", str(output)),
    ]


def wait_for_rows(part: Path, rows: int, process: subprocess.Popen) -> None:
    while process.poll() is None:
        if part.exists() and part.read_bytes().count(b"\n") > rows:
            return
        time.sleep(0.005)


@pytest.fixture(scope="module")
def expected(table: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    output = tmp_path_factory.mktemp("expected") / "tags.csv"
    tag_to_file(Tagger(tiny_model, threads=1), Inputs([str(table)]), output, options=DEFAULTS)
    return output.read_bytes()


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(data.decode().splitlines()))


def same_rows(one: bytes, other: bytes) -> bool:
    """Equal, but for the last digits of confidences: batches may be cut elsewhere."""
    return len(rows_of(one)) == len(rows_of(other)) and all(
        all(
            np.isclose(float(a[key] or 0), float(b[key] or 0), atol=1e-4)
            if key.endswith("_confidence")
            else a[key] == b[key]
            for key in a
        )
        for a, b in zip(rows_of(one), rows_of(other), strict=True)
    )


def test_killed_runs_go_on(table: Path, tiny_model: Path, expected: bytes, tmp_path: Path):
    output = tmp_path / "tags.csv"
    part = tmp_path / "tags.csv.part"
    kills = 0
    for rows in (1, MANY // 2):
        process = subprocess.Popen(command(table, tiny_model, output), stderr=subprocess.PIPE)
        wait_for_rows(part, rows, process)
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        assert output.exists() == (process.returncode == 1)
    assert kills
    done = subprocess.run(command(table, tiny_model, output), capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert not part.exists()
    assert same_rows(output.read_bytes(), expected)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent otherwise there")
@pytest.mark.usefixtures("heeded_interrupts")
def test_ctrl_c_keeps_what_is_done(table: Path, tiny_model: Path, expected: bytes, tmp_path: Path):
    for attempt in range(20):  # a run may be done before the signal comes
        output = tmp_path / f"tags{attempt}.csv"
        process = subprocess.Popen(
            command(table, tiny_model, output), stderr=subprocess.PIPE, text=True
        )
        wait_for_rows(output.with_name(f"{output.name}.part"), 1, process)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate()
        if not output.exists():
            break
    assert process.returncode == 130
    assert "run the same command again" in message
    assert message.count("\n") == 1
    assert hangtag(table, "--model", tiny_model, "-o", output).exit_code == 1
    assert same_rows(output.read_bytes(), expected)


def test_a_run_with_other_options_is_not_mixed_in(
    table: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    output = tmp_path / "tags.csv"

    def stop(done: int, total: int, errors: int) -> None:
        if done:
            raise KeyboardInterrupt

    tagger = Tagger(tiny_model, threads=1)
    with pytest.raises(HangtagError, match="run the same command again"):
        tag_to_file(tagger, Inputs([str(table)]), output, options=DEFAULTS, progress=stop)
    result = hangtag(table, "--model", tiny_model, "-o", output, "--precision", 0.9)
    assert "other precision;" in str(result.exception)
    table_of_others = tmp_path / "others.csv"
    table_of_others.write_text("photo\nx.jpg\n")
    result = hangtag(table_of_others, "--model", tiny_model, "-o", output)
    assert "other photos;" in str(result.exception)
