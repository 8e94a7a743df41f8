"""A run's memory doesn't grow with the number of photos."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars
import pytest
from PIL import Image

from hangtag.attributes import Attribute
from hangtag.bulk import listing, outputs, tables
from hangtag.bulk.inputs import Inputs
from hangtag.bulk.job import tag_to_file
from hangtag.errors import HangtagError
from hangtag.tags import PhotoTags, Tag

BYTES_PER_ROW = 32
"""More than noise; one name takes 80 at least."""


class CheapTagger:
    """Stands for a `Tagger`: the same steps, without a network."""

    input_size = (8, 6)
    attributes = (Attribute("baseColour", ("Blue", "Red")),)
    info = SimpleNamespace(name="cheap", model_dump_json=lambda: "{}")

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        return inputs.mean(axis=(1, 2))

    def tags_from(self, probabilities: np.ndarray, names: list[str]) -> list[PhotoTags]:
        return [
            PhotoTags(name, {"baseColour": Tag("Red", float(mean[0] / 255), "accept")}, "cheap")
            for name, mean in zip(names, probabilities, strict=True)
        ]

    def failed(self, name: str, error: HangtagError) -> PhotoTags:
        return PhotoTags(name, {}, "cheap", error=str(error))


def growth(run: Callable[[int], object], few: int, many: int) -> float:
    """Bytes a row by which the peak of Python's memory grows from few rows to many.

    The lower of two peaks: the interpreter's table of interned texts is enlarged now and then.
    """
    run(few)  # what is loaded and kept once
    peaks: dict[int, list[int]] = {few: [], many: []}
    for rows in (few, many) * 2:
        tracemalloc.start()
        run(rows)
        peaks[rows].append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return (min(peaks[many]) - min(peaks[few])) / (many - few)


def names(rows: int) -> Iterator[str]:
    return (f"photos/of/a/shop/with/long/names/{row:07d}.png" for row in range(rows))


def write_folder(folder: Path, rows: int) -> str:
    folder.mkdir()
    for row in range(rows):
        (folder / f"{row:07d}.png").touch()
    return str(folder)


def write_list(path: Path, rows: int) -> str:
    match path.suffix:
        case ".txt":
            path.write_text("\n".join(names(rows)))
        case ".csv":
            polars.DataFrame({"photo": names(rows)}).write_csv(path)
        case ".jsonl":
            polars.DataFrame({"photo": names(rows)}).write_ndjson(path)
        case ".parquet":
            polars.DataFrame({"photo": names(rows)}).write_parquet(path)
    return str(path)


@pytest.mark.parametrize("kind", ["folder", "glob", ".txt", ".csv", ".jsonl", ".parquet"])
def test_listing_inputs(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    few, many = 2000, 10_000
    monkeypatch.setattr(listing, "_CHUNK", few)
    monkeypatch.setattr(tables, "_CELLS", few)
    sources = {}
    for rows in (few, many):
        if kind in ("folder", "glob"):
            folder = write_folder(tmp_path / str(rows), rows)
            sources[rows] = f"{folder}/*.png" if kind == "glob" else folder
        else:
            sources[rows] = write_list(tmp_path / f"{rows}{kind}", rows)

    def survey(rows: int) -> None:
        assert Inputs([sources[rows]]).survey().total == rows

    assert growth(survey, few, many) < BYTES_PER_ROW


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_run(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outputs, "_BLOCK", 2**14)
    photos = []
    for shade in (20, 120, 220):
        photos.append(tmp_path / f"{shade}.bmp")
        Image.new("RGB", (6, 8), (shade, 0, 0)).save(photos[-1])
    tagger: Any = CheapTagger()

    def run(rows: int) -> None:
        table = tmp_path / f"{rows}.csv"
        if not table.exists():
            lines = (str(photos[row % len(photos)]) for row in range(rows))
            table.write_text("photo\n" + "\n".join(lines))
        output = tmp_path / f"tags{ending}"
        outcome = tag_to_file(tagger, Inputs([str(table)]), output, options={})
        assert (outcome.total, outcome.errors) == (rows, 0)

    assert growth(run, 500, 3500) < BYTES_PER_ROW


# The tables are made by Polars, whose memory only the system sees: by a process of their own. Long
# rows stand for many ones.
_FINISH = """
import sys
from pathlib import Path
from hangtag.bulk import outputs
from hangtag.tags import PhotoTags

outputs._ROW_GROUP = 64
peaks = []
for rows in (100, 100, 6000):
    part = outputs.PartFile(Path(sys.argv[1]), {}, ["baseColour"])
    for row in range(rows):
        part.append([PhotoTags(f"{row}.jpg", {}, "m", error=f"{row} " + "x" * 20_000)])
    part.finish()
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    peaks.append(int(line.split()[1]) * 1024)
print((peaks[-1] - peaks[-2]) / 6000)
"""


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_making_the_table(ending: str, tmp_path: Path):
    command = [sys.executable, "-c", _FINISH, str(tmp_path / f"tags{ending}")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 20_000 / 2


def test_names_sorted_on_disk_are_those_sorted_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    odd = ["b.png", "a\nb.png", "ä.png", "\udcff.png", "A.png", ".hidden.png"]
    for name in odd:
        (tmp_path / name).touch()
        (tmp_path / f"in{name}").mkdir()
        (tmp_path / f"in{name}" / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "inb.png")
    in_memory = list(listing.walk(tmp_path))
    monkeypatch.setattr(listing, "_CHUNK", 2)
    assert list(listing.walk(tmp_path)) == in_memory
    shown = sorted(odd[:-1])
    folders = [f"in{name}/{name}" for name in sorted(odd) if name != ".hidden.png"]
    assert in_memory == [*shown, *folders]
    assert list(listing.matches(f"{tmp_path}/[ab]*")) == [
        str(tmp_path / name) for name in ("a\nb.png", "b.png")
    ]
