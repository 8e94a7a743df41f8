"""Runs that were stopped, and what stops one before it begins."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from drawing import relabelled
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.model import WEIGHTS, read_model
from hangtag.recipe import Recipe
from hangtag.resuming import only_run
from hangtag.training import CHECKPOINTS, LOGS, newest_checkpoint, train
from hangtag.training_data import TrainingBatches, prepare
from short_runs import phone_photos, shorter


def test_a_run_goes_on_from_its_checkpoint(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hangtag.training._SAVE_EVERY_STEPS", 5)
    train(drawn_catalogue, shorter(tiny_recipe, 1), tmp_path / "run")
    with pytest.raises(HangtagError, match="--resume"):
        train(drawn_catalogue, shorter(tiny_recipe, 2), tmp_path / "run")
    newest = newest_checkpoint(tmp_path / "run")
    broken = tmp_path / "run" / CHECKPOINTS / "step-9999999.ckpt"
    broken.write_bytes(newest.read_bytes()[:1000])
    assert newest_checkpoint(tmp_path / "run") == newest
    train(drawn_catalogue, shorter(tiny_recipe, 2), tmp_path / "run", resume=True)
    steps = [
        int(torch.load(file, weights_only=True)["global_step"])
        for file in (tmp_path / "run" / CHECKPOINTS).glob("best.ckpt")
    ]
    data = prepare(read_catalogue(drawn_catalogue), tiny_recipe)
    assert steps == [2 * len(TrainingBatches(data, tiny_recipe))]
    assert {file.name for file in (tmp_path / "run" / "logs").glob("*.csv")} == {
        "metrics-1.csv",
        "metrics.csv",
    }


@pytest.fixture(scope="module")
def stopped(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run of one epoch that was stopped before its model was written."""
    folder = train(drawn_catalogue, shorter(tiny_recipe, 1), tmp_path_factory.mktemp("r") / "run")
    for name in ("model.json", "model.onnx", WEIGHTS, "README.md"):
        (folder / name).unlink()
    return folder


def test_a_run_goes_on_only_with_what_it_began_with(
    stopped: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = shorter(tiny_recipe, 2)

    def refused(why: str, **changes: Any) -> None:
        arguments: dict[str, Any] = {"catalogue": drawn_catalogue, "recipe": recipe} | changes
        with pytest.raises(HangtagError, match=why) as caught:
            train(output=stopped, resume=True, **arguments)
        assert "\n" not in str(caught.value)

    mended = relabelled(drawn_catalogue, tmp_path / "mended", "gender", "Girls")
    refused("values of 'gender'", catalogue=mended)
    refused("is of the random split; resume with --split random", split="temporal")
    larger = recipe.schedule.model_copy(update={"batch_size": 16})
    other = recipe.model_copy(update={"schedule": larger})
    refused("of another recipe .first difference: schedule.batch_size", recipe=other)
    palette = recipe.network.model_copy(update={"palette": 4})
    wider = recipe.model_copy(update={"network": palette})
    refused("of another recipe .first difference: network.palette", recipe=wider)
    # Before checkpoints said what they are about, they said how many numbers they hold.
    (file,) = (stopped / CHECKPOINTS).glob("*.ckpt")
    whole = torch.load(file, weights_only=True)
    torch.save({**whole, "epoch": 3}, file)
    refused("has had 3 epochs, and the recipe's stages are only 2")
    torch.save({key: value for key, value in whole.items() if key != "run"}, file)
    refused("is of another network", recipe=wider)
    torch.save(whole, file)


def test_a_run_goes_on_in_another_folder_and_from_an_older_checkpoint(
    stopped: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(stopped, moved)
    (file,) = (moved / CHECKPOINTS).glob("*.ckpt")
    whole = torch.load(file, weights_only=True)
    del whole["run"]
    for state in whole["callbacks"].values():
        if "dirpath" in state:
            state["dirpath"] = "/gone/checkpoints"
        if state.get("monitor") == "val/loss":
            # Which no second epoch reaches.
            best, score = "/gone/checkpoints/best.ckpt", torch.tensor(-1.0)
            state |= {"best_model_path": best, "kth_best_model_path": best}
            state |= {"best_model_score": score, "kth_value": score, "best_k_models": {best: score}}
    torch.save(whole, file)
    before = file.stat().st_mtime_ns
    model = train(drawn_catalogue, shorter(tiny_recipe, 2), moved, resume=True)
    assert read_model(model).info.name == "moved"
    assert file.stat().st_mtime_ns == before


def test_two_trainings_never_write_into_one_folder(
    stopped: Path, drawn_catalogue: Path, tiny_recipe: Recipe
) -> None:
    with only_run(stopped), pytest.raises(HangtagError, match="another training writes into it"):
        train(drawn_catalogue, shorter(tiny_recipe, 2), stopped, resume=True)
    with only_run(stopped):
        pass


def test_what_is_in_the_way_or_missing_is_said_before_training(
    tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    def refused(why: str, **changes: Any) -> None:
        arguments: dict[str, Any] = {
            "catalogue": drawn_catalogue,
            "recipe": tiny_recipe,
            "output": tmp_path / "run",
        }
        with pytest.raises(HangtagError, match=why) as caught:
            train(**arguments | changes)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()

    alone = tmp_path / "alone"
    alone.mkdir()
    for file in tiny_model.iterdir():
        if file.is_file():
            shutil.copy(file, alone)
    refused("alone: holds a model; take another -o", output=alone)
    refused("README.md: is a file", output=alone / "README.md")
    others = phone_photos(tmp_path / "others", drawn_catalogue, ["Thing"])
    refused("others: no photo is named by an id of", alternate=others)
    table = tmp_path / "bare.csv"
    rows = [f"{number},{number}.jpg,Tshirts" for number in range(40)]
    table.write_text("\n".join(["id,photo,articleType", *rows]))
    recipe = tiny_recipe.model_copy(update={"attributes": ["articleType"]})
    refused("bare.csv: no photo of its products is there", catalogue=table, recipe=recipe)


def test_a_model_is_there_when_it_is_whole(
    drawn_catalogue: Path,
    tiny_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    extra = []
    for name, labels in (("a/shop", ["Tshirts"] * 40), ("b/shop", ["Caps"] * 40), ("c/x", ["?"])):
        (tmp_path / name).parent.mkdir()
        extra.append(phone_photos(tmp_path / name, drawn_catalogue, labels))
        table = tmp_path / name / "labels.csv"
        table.write_text(table.read_text().replace("label", "articleType"))
    folder, recipe = tmp_path / "run", shorter(tiny_recipe, 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hangtag.finishing.calibrate", killed)
        with pytest.raises(KeyboardInterrupt):
            train(drawn_catalogue, recipe, folder, extra=extra)
    assert not (folder / "model.json").exists()
    model = read_model(train(drawn_catalogue, recipe, folder, extra=extra, resume=True))
    assert set(model.info.numbers) == {"test", "test, shop", "test, shop (2)"}
    assert "not judged: test, x: " in capsys.readouterr().err
    assert {one.name for one in folder.iterdir() if one.is_dir()} == {CHECKPOINTS, LOGS}
