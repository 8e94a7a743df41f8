import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hangtag.common_ground import Answers, CommonTask, common_tasks
from hangtag.common_ground import _parts as parts
from hangtag.comparison import Comparison, _row, compare_recipes
from hangtag.errors import HangtagError
from hangtag.recipe import Combination
from hangtag.reports.compare import to_html, to_markdown, to_text, write

PLAIN = """
name = "plain"
attributes = ["baseColour", "articleType", "gender"]
input_size = [32, 24]
[network]
backbone = "cnn"
pretrained = false
[schedule]
learning_rate = 4e-3
averaging = 0.9
stages = [{ epochs = 2 }]
"""
GROUPED = (
    PLAIN.replace("plain", "grouped").replace(', "gender"', "")
    + """
[[groups]]
attribute = "baseColour"
[groups.groups]
black = ["Black"]
blue = ["Blue", "Navy Blue"]
red = ["Red"]
"""
)


@pytest.fixture(scope="module")
def compared(
    drawn_catalogue: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Comparison]:
    folder = tmp_path_factory.mktemp("compared")
    for name, text in (("plain", PLAIN), ("grouped", GROUPED)):
        (folder / f"{name}.toml").write_text(text)
    recipes = [folder / "plain.toml", folder / "grouped.toml"]
    # As a run that was killed within its first steps leaves it.
    (folder / "models" / "plain" / "checkpoints").mkdir(parents=True)
    (folder / "models" / "plain" / "checkpoints" / "best.ckpt").write_bytes(b"half")
    result = compare_recipes(
        drawn_catalogue, recipes, models=[tiny_model], folder=folder / "models"
    )
    return folder, result


def test_every_recipe_and_model_has_a_row(compared: tuple[Path, Comparison]) -> None:
    _, result = compared
    assert [row.name for row in result.rows] == ["plain", "grouped", "tiny"]
    for row in result.rows:
        assert row.parameters > 100_000
        assert row.megabytes > 0.1
        assert row.photos_per_second > 0
        assert row.start == "from scratch"
        assert all(0 <= scores["accuracy"] <= 1 for scores in row.scores.values())
    assert result.rows[0].minutes is not None
    assert result.rows[1].scores["baseColour"]["values"] == 3


def test_the_common_ground_is_the_same_task_for_all(compared: tuple[Path, Comparison]) -> None:
    tasks = {task.attribute: task for task in compared[1].common}
    # Plain and tiny tag colours, the grouped one three groups: all are asked for these three.
    assert set(tasks["colourGroup"].values) == {"black", "blue", "red"}
    assert set(tasks["colourGroup"].scores) == {0, 1, 2}
    assert set(tasks["baseColour"].scores) == {0, 2}
    assert set(tasks["gender"].scores) == {0, 2}
    assert set(tasks["articleType"].scores) == {0, 1, 2}


def test_a_second_comparison_takes_the_models_that_are_there(
    compared: tuple[Path, Comparison],
    drawn_catalogue: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, first = compared
    monkeypatch.setattr("hangtag.comparison.train", lambda *_, **__: pytest.fail("trained again"))
    recipes = [folder / "plain.toml", folder / "grouped.toml"]
    # As if it had been trained before recipes had teachers.
    written = folder / "models" / "plain" / "model.json"
    facts = json.loads(written.read_text("utf-8"))
    del facts["recipe"]["loss"]["teacher_weight"]
    written.write_text(json.dumps(facts), "utf-8")
    again = compare_recipes(drawn_catalogue, recipes, folder=folder / "models")
    assert [row.scores for row in again.rows] == [row.scores for row in first.rows[:2]]
    (folder / "plain.toml").write_text(PLAIN + "batch_size = 16\n")
    with pytest.raises(HangtagError, match="another version of the recipe 'plain'"):
        compare_recipes(drawn_catalogue, recipes, folder=folder / "models")


def test_the_table_is_written_in_three_forms(
    compared: tuple[Path, Comparison], tmp_path: Path
) -> None:
    _, result = compared
    markdown = to_markdown(result)
    assert "| grouped | cnn | from scratch | 32×24 | 2 |" in markdown
    assert "colourGroup (3)" in markdown
    assert "<table" in to_html(result)
    write(result, tmp_path / "table.json")
    assert len(json.loads((tmp_path / "table.json").read_text())["rows"]) == 3
    with pytest.raises(HangtagError, match="unknown ending"):
        write(result, tmp_path / "table.docx")


def test_what_is_not_defined_is_a_dash(compared: tuple[Path, Comparison]) -> None:
    _, result = compared
    scores = {"gender": {"photos": 3.0, "values": 5.0, "accuracy": 0.5, "macro_f1": None}}
    task = CommonTask("gender", ("Men", "Women"), 3, {0: {"accuracy": 0.5, "macro_f1": np.nan}})
    odd = replace(result, rows=[replace(result.rows[0], scores=scores)], common=[task])
    assert to_markdown(odd).count("50.0 / –") == 2
    assert json.loads(to_text(odd))["rows"][0]["scores"]["gender"]["macro_f1"] is None


def test_an_average_says_what_it_is_of(tiny_model: Path, drawn_catalogue: Path) -> None:
    from hangtag.judge import evaluate

    judged = evaluate(tiny_model, drawn_catalogue)
    judged.info.training["average of"] = ["one", "other"]
    row = _row("mean", judged, 1.0)
    assert (row.start, row.epochs) == ("average of one, other", None)


def test_what_cannot_be_compared_is_told_before_any_training(
    drawn_catalogue: Path, tmp_path: Path
) -> None:
    with pytest.raises(HangtagError, match="needs two"):
        compare_recipes(drawn_catalogue, ["cnn-four"])
    with pytest.raises(HangtagError, match="two recipes have this name"):
        compare_recipes(drawn_catalogue, ["cnn-four", "cnn-four"])
    with pytest.raises(HangtagError, match="no recipe of this name"):
        compare_recipes(drawn_catalogue, ["cnn-four", "default"], weights={"cnn": tmp_path})


def test_a_model_that_has_seen_the_test_products_is_not_compared(
    compared: tuple[Path, Comparison], drawn_catalogue: Path, tiny_model: Path
) -> None:
    folder, _ = compared
    recipes = [folder / "plain.toml", folder / "grouped.toml"]
    recipes[0].write_text(PLAIN)
    with pytest.raises(HangtagError, match="trained on the random split"):
        compare_recipes(drawn_catalogue, recipes, models=[tiny_model], split="temporal")
    with pytest.raises(HangtagError, match="trained on the random split"):
        compare_recipes(drawn_catalogue, recipes, folder=folder / "models", split="temporal")


def test_a_combined_label_is_taken_apart() -> None:
    combination = Combination(name="both", attributes=["articleType", "gender"])
    said = Answers(("Tshirts-Men", "Tshirts-Women", "Caps-Men"), np.array([[0.2, 0.5, 0.3]]))
    apart = parts(said, combination)
    assert apart["articleType"].values == ("Tshirts", "Caps")
    assert np.allclose(apart["articleType"].probabilities, [[0.7, 0.3]])
    assert np.allclose(apart["gender"].probabilities, [[0.5, 0.5]])


def test_one_model_alone_has_no_common_ground(tiny_model: Path, drawn_catalogue: Path) -> None:
    from hangtag.judge import evaluate

    assert common_tasks([evaluate(tiny_model, drawn_catalogue)]) == []
