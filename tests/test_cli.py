"""What is typed and what is printed, where no other test looks at it."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import hangtag
from drawing import draw_garment
from hangtag import HangtagError, Tagger
from hangtag.cli import app
from hangtag.precision import HIGHEST


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "photos"
    folder.mkdir()
    for number, kind in enumerate(("Jeans", "Handbags", "Watches")):
        draw_garment(kind, "Blue", seed=number).save(
            folder / f"a-long-name-of-a-{kind}-0{number}.jpg"
        )
    return folder


def test_the_version_is_that_of_the_package() -> None:
    assert typed("--version").stdout.split() == ["hangtag", hangtag.__version__]


def test_a_table_names_the_folder_once_and_marks_what_to_look_at(photos: Path) -> None:
    shown = typed("tag", photos, "--precision", 0.95).stdout
    assert shown.count(str(photos)) == 1
    names = sorted(path.name for path in photos.iterdir())
    assert all(f"{name[:8]}" in shown and name[-9:] in shown for name in names)
    results = Tagger().tag(sorted(photos.iterdir()))
    decisions = [tag.decision for one in results for tag in one.tags.values()]
    accepted = decisions.count("accept")
    assert f"{accepted} of {len(decisions)} tags accepted" in shown
    assert shown.count("% ?") == decisions.count("review") > 0


def test_what_was_written_is_told_and_what_it_replaced(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "tags.csv"
    assert typed("tag", photos, "-o", output).stderr == f"{output}: 3 photos\n"
    again = typed("tag", next(photos.iterdir()), "-o", output).stderr
    assert "in place of what it held" in again


def test_a_precision_that_no_model_knows_is_refused() -> None:
    assert typed("tag", "x.jpg", "--precision", 0.999).exit_code == 2
    with pytest.raises(HangtagError, match=f"0 and {HIGHEST}"):
        Tagger(precision=0.999)


def test_a_catalogue_in_other_words_is_told_the_columns(photos: Path) -> None:
    table = photos.parent / "shop.csv"
    name = next(photos.iterdir()).name
    table.write_text(f"image,colour,category\nphotos/{name},blue,jeans\n")
    run = subprocess.run(
        [sys.executable, "-m", "hangtag.cli", "evaluate", str(table), "--split", "all"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert "(colour, category)" in run.stderr
    assert "name them gender, masterCategory" in run.stderr


def test_users_get_the_types() -> None:
    assert (Path(hangtag.__file__).parent / "py.typed").is_file()
