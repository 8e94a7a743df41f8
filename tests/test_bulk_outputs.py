"""Results on disk: whole or not there, and nothing lost or doubled by a kill at any byte."""

import errno
import io
import json
from pathlib import Path

import polars
import pytest

from hangtag.bulk.outputs import PartFile, check_output
from hangtag.errors import HangtagError
from hangtag.tags import Alternative, PhotoTags, Tag

NAMES = ["articleType", "baseColour"]
RUN = {"model": "m 1", "photos": "abc", "precision": 0.95}


def results(count: int) -> list[PhotoTags]:
    """Rows with everything that is awkward in a text file."""
    tag = Tag("Tshirts", 0.9375, "accept", [Alternative("Tops", 0.0625)])
    colour = Tag('Off "White", say', 0.5, "review")
    tagged = [
        PhotoTags(f"ä, {i}\n.jpg", {"articleType": tag, "baseColour": colour}, "m", None, i % 3 > 0)
        for i in range(count)
    ]
    tagged[1] = PhotoTags("broken.jpg", {}, "m", "broken.jpg: damaged photo; leave it out")
    return tagged


def write(output: Path, rows: list[PhotoTags]) -> PartFile:
    part = PartFile(output, RUN, NAMES)
    for row in rows[part.done :]:
        part.append([row])
    return part


def test_tables(tmp_path: Path):
    for ending in (".csv", ".parquet"):
        output = tmp_path / f"tags{ending}"
        part = write(output, results(4))
        assert not output.exists()
        part.finish()
        assert sorted(path.name for path in tmp_path.glob("tags*")) == [output.name]
        read = polars.read_csv if ending == ".csv" else polars.read_parquet
        table = read(output)
        assert table.columns == [
            "photo",
            *("articleType", "articleType_confidence", "articleType_decision"),
            *("baseColour", "baseColour_confidence", "baseColour_decision"),
            *("known_product", "turned", "model", "error"),
        ]
        assert table["photo"].to_list() == [tags.photo for tags in results(4)]
        assert table["articleType"].to_list() == ["Tshirts", None, "Tshirts", "Tshirts"]
        assert table["baseColour"][0] == 'Off "White", say'
        assert table["articleType_confidence"][3] == 0.9375
        assert table["known_product"].to_list() == [False, None, True, False]
        assert table["error"].to_list() == [None, results(2)[1].error, None, None]
        output.unlink()


def test_json_lines_hold_everything(tmp_path: Path):
    output = tmp_path / "tags.jsonl"
    write(output, results(3)).finish()
    lines = [json.loads(line) for line in output.read_text("utf-8").split("\n") if line]
    assert lines == [tags.to_dict() for tags in results(3)]


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_kill_at_any_byte(ending: str, tmp_path: Path):
    rows = results(3)
    whole = tmp_path / f"whole{ending}"
    write(whole, rows).finish()
    killed = tmp_path / f"killed{ending}"
    part = write(killed, rows)
    part.close()
    data = part.path.read_bytes()
    for cut in range(len(data)):
        part.path.write_bytes(data[:cut])
        again = write(killed, rows)
        assert again.done == 3
        assert again.errors == 1
        again.finish()
        assert killed.read_bytes() == whole.read_bytes()


def test_a_kill_while_finishing(tmp_path: Path):
    output = tmp_path / "tags.csv"
    part = write(output, results(3))
    rows = part.path.read_bytes()
    part.finish()
    expected = output.read_bytes()
    # Killed after the output was moved into place, with a torn conversion of another try.
    part.path.write_bytes(rows)
    (tmp_path / "tags.csv.tmp").write_bytes(b"torn")
    write(output, results(3)).finish()
    assert output.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["tags.csv"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"model": "m 2"}, "model"), ({"photos": "x", "precision": 0.9}, "photos and precision")],
)
def test_another_run_is_refused(changed: dict, named: str, tmp_path: Path):
    part = write(tmp_path / "tags.csv", results(2))
    part.close()
    before = part.path.read_bytes()
    with pytest.raises(HangtagError, match=f"other {named};"):
        PartFile(tmp_path / "tags.csv", {**RUN, **changed}, NAMES)
    assert part.path.read_bytes() == before


def test_a_stranger_is_not_overwritten(tmp_path: Path):
    stranger = tmp_path / "tags.csv.part"
    stranger.write_text('{"mine": 1}\n')
    with pytest.raises(HangtagError, match="not of an earlier run"):
        PartFile(tmp_path / "tags.csv", RUN, NAMES)
    stranger.write_text("my notes")
    with pytest.raises(HangtagError, match="not of an earlier run"):
        PartFile(tmp_path / "tags.csv", RUN, NAMES)
    assert stranger.read_text() == "my notes"


def test_two_runs_at_once(tmp_path: Path):
    pytest.importorskip("fcntl")
    first = PartFile(tmp_path / "tags.csv", RUN, NAMES)
    with pytest.raises(HangtagError, match="another run is writing it"):
        PartFile(tmp_path / "tags.csv", RUN, NAMES)
    first.close()
    PartFile(tmp_path / "tags.csv", RUN, NAMES).close()


class FullDisk(io.BytesIO):
    """Takes half of what it is given, then nothing."""

    def write(self, data) -> int:
        if len(data) < 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[: len(data) // 2])


def test_a_full_disk_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    part = write(tmp_path / "tags.csv", results(2))
    before = part.path.read_bytes()
    monkeypatch.setattr(part, "_file", FullDisk())
    with pytest.raises(HangtagError, match="free some space") as caught:
        part.append(results(3)[2:])
    assert "\n" not in str(caught.value)
    assert part.path.read_bytes() == before


def test_outputs_that_cannot_be(tmp_path: Path):
    for path, reason in (
        (tmp_path / "tags.xlsx", "unknown kind"),
        (tmp_path / "no" / "tags.csv", "folder doesn't exist"),
    ):
        with pytest.raises(HangtagError, match=reason):
            check_output(path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(HangtagError, match="is a folder"):
        check_output(tmp_path / "folder.csv")


def test_an_output_that_is_a_link_stays_one(tmp_path: Path):
    target = tmp_path / "deep" / "real.csv"
    target.parent.mkdir()
    target.write_text("old")
    link = tmp_path / "tags.csv"
    link.symlink_to(target)
    write(link, results(2)).finish()
    assert link.is_symlink()
    assert polars.read_csv(target).height == 2
    (tmp_path / "lost.csv").symlink_to(tmp_path / "no" / "tags.csv")
    with pytest.raises(HangtagError, match="folder doesn't exist"):
        check_output(tmp_path / "lost.csv")
