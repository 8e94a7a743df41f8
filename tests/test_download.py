"""Fetching the public dataset, with the hubs' libraries faked where hangtag calls them."""

from collections.abc import Callable
from pathlib import Path

import polars
import pytest
from typer.testing import CliRunner

from drawing import draw_catalogue
from hangtag.catalogue import read_catalogue
from hangtag.cli import app
from hangtag.download import fetch
from hangtag.errors import HangtagError

kagglehub = pytest.importorskip("kagglehub")
huggingface_hub = pytest.importorskip("huggingface_hub")
ADDRESS = "https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-small"


def failing(error: Exception) -> Callable[..., str]:
    def download(*args: object, **options: object) -> str:
        raise error

    return download


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kaggle's unpacked archive, which holds a copy of itself; returns what is asked for."""
    unpacked = draw_catalogue(tmp_path / "cache" / "versions" / "1", 5)
    draw_catalogue(unpacked / "myntradataset", 3)
    asked: list[str] = []

    def download(handle: str) -> str:
        asked.append(handle)
        return str(unpacked)

    monkeypatch.setattr(kagglehub, "dataset_download", download)
    return asked


def test_from_kaggle(kaggle: list[str], tmp_path: Path):
    folder = fetch("small", tmp_path / "data")
    assert kaggle == ["paramaggarwal/fashion-product-images-small"]
    assert sorted(path.name for path in folder.iterdir()) == ["images", "styles.csv"]
    assert read_catalogue(folder, check_photos=True).summary() == "5 products, 5 with photos"


def test_full_edition_into_a_folder_of_its_name(
    kaggle: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert fetch("full") == Path("fashion-product-images-dataset")
    assert kaggle == ["paramaggarwal/fashion-product-images-dataset"]


def test_what_is_there_is_not_fetched_again(kaggle: list[str], tmp_path: Path):
    fetch("small", tmp_path / "data")
    fetch("small", tmp_path / "data")
    assert len(kaggle) == 1


def test_goes_on_after_a_stop(kaggle: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = fetch("small", tmp_path / "whole")
    photos = tmp_path / "data" / "images"
    photos.mkdir(parents=True)
    (photos / "1000.jpg").write_bytes(b"is there")
    (photos / "1001.jpg.part").write_bytes(b"was being written")
    monkeypatch.setattr("os.link", failing(OSError("another disk")))
    folder = fetch("small", tmp_path / "data")
    assert (photos / "1000.jpg").read_bytes() == b"is there"
    assert (photos / "1001.jpg").read_bytes() == (whole / "images/1001.jpg").read_bytes()
    assert len(read_catalogue(folder)) == 5
    assert not list(folder.rglob("*.part"))


def test_from_huggingface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn = read_catalogue(draw_catalogue(tmp_path / "drawn", 6))
    table = polars.read_csv(tmp_path / "drawn" / "styles.csv")
    images = [{"bytes": drawn.photo_bytes(photo), "path": None} for photo in drawn.table["photo"]]
    (tmp_path / "cache" / "data").mkdir(parents=True)
    parts = table.with_columns(image=polars.Series(images))
    parts[:4].write_parquet(tmp_path / "cache/data/train-00000-of-00002.parquet")
    parts[4:].write_parquet(tmp_path / "cache/data/train-00001-of-00002.parquet")

    def snapshot(name: str, *, repo_type: str, allow_patterns: str) -> str:
        assert (name, repo_type) == ("ashraq/fashion-product-images-small", "dataset")
        assert allow_patterns == "data/*.parquet"
        return str(tmp_path / "cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    fetched = read_catalogue(fetch("small", tmp_path / "data", hub="huggingface"))
    assert fetched.table.equals(drawn.table)
    for photo in fetched.table["photo"]:
        assert fetched.photo_bytes(photo) == drawn.photo_bytes(photo)


class TestErrors:
    def expect(self, message: str, folder: Path, hub: str = "kaggle", size: str = "small") -> None:
        with pytest.raises(HangtagError, match=message) as error:
            fetch(size, folder, hub=hub)
        assert "\n" not in str(error.value)
        assert not folder.exists()

    def test_offline(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        offline = ConnectionError("a long story\nof retries")
        monkeypatch.setattr(kagglehub, "dataset_download", failing(offline))
        monkeypatch.setattr(huggingface_hub, "snapshot_download", failing(offline))
        advice = rf"\(no connection\).*by hand from {ADDRESS} and give hangtag its path"
        self.expect(f"from kaggle {advice}", tmp_path / "data")
        self.expect(f"from huggingface {advice}", tmp_path / "data", "huggingface")

    def test_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        refused = kagglehub.exceptions.UnauthenticatedError()
        monkeypatch.setattr(kagglehub, "dataset_download", failing(refused))
        self.expect(r"\(User is not authenticated\)", tmp_path / "data")

    def test_an_empty_download(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(kagglehub, "dataset_download", lambda handle: str(tmp_path))
        self.expect(r"no styles.csv in the download", tmp_path / "data")

        def nothing(*args: object, **options: object) -> str:
            return str(tmp_path)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
        self.expect("no products in the download", tmp_path / "data", "huggingface")

    def test_wrong_words(self, tmp_path: Path):
        self.expect("choose small or full", tmp_path / "data", size="medium")
        self.expect("--from kaggle or huggingface", tmp_path / "data", "github")
        self.expect("no full edition; use --from kaggle", tmp_path / "data", "huggingface", "full")


def test_command(kaggle: list[str], tmp_path: Path):
    result = CliRunner().invoke(app, ["fetch", "small", "-o", str(tmp_path / "data")])
    assert result.exit_code == 0
    assert result.output == f"{tmp_path / 'data'}: 5 products, 5 with photos\n"
