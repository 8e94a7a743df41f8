"""Training products whose photos are most like one vote beside the network."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from drawing import draw_garment
from hangtag.bank import ask, ask_strangers, bank_of, set_bank
from hangtag.calibration import softmax
from hangtag.catalogue import read_catalogue
from hangtag.cli import app
from hangtag.ensemble import Ensemble
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.model import MIDWAY, Neighbours, read_model, write_info
from hangtag.neighbours import TrainingNeighbours
from hangtag.network import HangtagNetwork
from hangtag.onnx_graph import write_network
from hangtag.recipe import Network, Recipe
from hangtag.session import open_session
from hangtag.tagger import Tagger
from hangtag.teachers import soft_labels
from hangtag.training import train
from hangtag.training_data import prepare
from hangtag.voting import counted_in
from short_runs import shorter
from sittings import JUDGED, LEARNT, sitting_photos, sittings, strangers


def right(tagger: Tagger) -> float:
    """Share of new photos whose gender is their sitting's."""
    data = sittings(tagger)
    new = data.rows("validation", extra=False)
    values = tagger.probabilities(data.pool.rgb(new)).values["gender"]
    return float(data.targets["gender"][new, values.argmax(1)].mean())


def test_products_of_one_sitting_tell_of_each_other(neighbourly: Path) -> None:
    assert right(Tagger(neighbourly)) > 0.95
    assert right(Tagger(neighbourly, neighbours=False)) < 0.8


def test_what_a_network_sees_halfway_tells_sittings_apart(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing else is looked at.
    monkeypatch.setattr("hangtag.neighbours._WIDTHS", {MIDWAY: 128})
    info = read_model(tiny_model).info.model_copy(update={"domain": None, "orientation": None})
    backbone = Network(backbone="resnet18")
    network = HangtagNetwork(backbone, info.vocabularies(), info.input_size, from_scratch=True)
    names = [one.name for one in info.attributes]
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    write_network(Ensemble([network, network]), names, info.input_size, folder)
    write_info(folder, info, "")
    tagger = Tagger(folder)
    fitted = TrainingNeighbours(tagger, sittings(tagger), 10).fit()
    write_info(folder, info.model_copy(update={"neighbours": fitted}), "")
    assert right(Tagger(folder)) > 0.9
    assert right(Tagger(folder, neighbours=False)) < 0.8


def test_mirror_images_leave_neighbours_where_they_are(neighbourly: Path) -> None:
    tagger, flipping = (Tagger(neighbourly, flip=flip) for flip in (False, True))
    new = sittings(tagger).pool.rgb(np.arange(LEARNT, LEARNT + JUDGED))
    before, after = (one.probabilities(new).values["gender"] for one in (tagger, flipping))
    assert np.abs(before - after).mean() < 0.02


def test_photos_of_no_sitting_hear_little(neighbourly: Path) -> None:
    with_votes, alone = (Tagger(neighbourly, neighbours=vote) for vote in (True, False))
    noise = strangers(alone, 5)
    said, by_itself = (one.probabilities(noise).values["gender"] for one in (with_votes, alone))
    near = with_votes.probabilities(sittings(alone).pool.rgb(np.arange(20))).values["gender"]
    far = alone.probabilities(sittings(alone).pool.rgb(np.arange(20))).values["gender"]
    assert np.abs(said - by_itself).mean() < np.abs(near - far).mean() / 3


def test_photos_that_only_seem_to_have_siblings_hear_less(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {}
    for counts in (0.3, 1e-6):
        monkeypatch.setattr("hangtag.neighbours.UNUSUAL", counts)
        folder = tmp_path / f"{counts}"
        shutil.copytree(tiny_model, folder)
        tagger = Tagger(folder)
        data = sittings(tagger, in_mirrors=True)
        fitted = TrainingNeighbours(tagger, data, 10).fit()
        write_info(folder, tagger.info.model_copy(update={"neighbours": fitted}), "")
        new = data.rows("validation", extra=False)
        mirrored = data.pool.rgb(new)[:, :, ::-1]
        values = Tagger(folder).probabilities(np.ascontiguousarray(mirrored)).values["gender"]
        right[counts] = values[data.targets["gender"][new]].mean()
    assert right[0.3] > right[1e-6] + 0.05


def test_products_of_a_new_season_hear_less_of_those_before(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Changed photos teach much of the same.
    for change in ("_mirrored", "_smaller"):
        monkeypatch.setattr(f"hangtag.neighbours.{change}", np.asarray)
    heard = []
    for asked in (ask_strangers, lambda bank, looks, _: ask(bank, looks)):
        monkeypatch.setattr("hangtag.neighbours.ask_strangers", asked)
        folder = tmp_path / f"{len(heard)}"
        shutil.copytree(tiny_model, folder)
        tagger = Tagger(folder)
        data = sittings(tagger)
        fitted = TrainingNeighbours(tagger, data, 10).fit()
        write_info(folder, tagger.info.model_copy(update={"neighbours": fitted}), "")
        # Upside down the sittings' patterns are others, and products nearly the same.
        new = np.ascontiguousarray(data.pool.rgb(data.rows("validation", extra=False))[:, ::-1])
        said, alone = (
            Tagger(folder, neighbours=vote).probabilities(new).values["gender"]
            for vote in (True, False)
        )
        heard.append(np.abs(said - alone).mean())
    assert heard[0] < 0.8 * heard[1], heard


def test_a_bank_says_the_same_in_a_graph_and_alone(neighbourly: Path, tmp_path: Path) -> None:
    shutil.copytree(neighbourly, tmp_path / "model")
    tagger = Tagger(tmp_path / "model")
    photos = sittings(tagger).pool.rgb(np.arange(60))
    looks = open_session(tagger.model, 1).run(["look"], {"photos": photos})[0]
    gender = np.eye(len(tagger.attributes[0].values), dtype=bool)
    bank = bank_of(looks[:40], {"gender": gender[np.arange(40) % 2]}, 5)
    set_bank(tagger.model.onnx_path, bank)
    names = ["nearness", "votes/gender"]
    in_graph = open_session(tagger.model, 1).run(names, {"photos": photos})
    alone = ask(bank, looks)
    for name, values in zip(names, in_graph, strict=True):
        assert np.allclose(alone[name], values, atol=1e-4), name


def test_strangers_are_told_nothing_by_what_is_listed_near_them() -> None:
    looks = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    # Of ten products each has the label of its stretch.
    labels = np.eye(5, dtype=bool)[np.arange(50) // 10]
    bank = replace(bank_of(looks, {"gender": labels}, 5), passed_over=1)
    at_one = looks / np.linalg.norm(looks, axis=1, keepdims=True)
    places = np.arange(50)[::-1]
    votes = ask_strangers(bank, at_one[places], places)["votes/gender"]
    assert not votes[labels[places]].any()
    assert votes.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-3)


def test_other_attributes_stay_as_they_are(neighbourly: Path, tiny_model: Path) -> None:
    photo = np.asarray(draw_garment("Heels", "Blue").convert("RGB"))
    here, there = (Tagger(model).tag(photo).tags for model in (neighbourly, tiny_model))
    others = [name for name in there if name != "gender"]
    assert others
    assert {name: here[name] for name in others} == {name: there[name] for name in others}


def test_the_command_line_can_leave_them_out(neighbourly: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(next(sitting_photos(1))).save(photo)
    command = ["tag", str(photo), "--model", str(neighbourly), "--json"]
    runs = [CliRunner().invoke(app, [*command, *option]) for option in ([], ["--no-neighbours"])]
    assert [run.exit_code for run in runs] == [0, 0]
    sure, unsure = (json.loads(run.stdout)["tags"]["gender"]["confidence"] for run in runs)
    assert sure != unsure


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        (["--split", "validation"], True),
        ([], False),
        (["--split", "validation", "--no-neighbours"], False),
    ],
)
def test_whoever_judges_by_products_that_vote_is_told(
    neighbourly: Path, drawn_catalogue: Path, options: list[str], *, warned: bool
) -> None:
    command = ["evaluate", str(neighbourly), str(drawn_catalogue), *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert ("vote for themselves" in done.output) == warned


def test_teachers_speak_for_themselves(
    neighbourly: Path, tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe
) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    data = prepare(catalogue, tiny_recipe)
    said, alone = (soft_labels([model], catalogue, data) for model in (neighbourly, tiny_model))
    assert np.array_equal(said["gender"], alone["gender"])


def test_a_trained_model_asks_all_but_the_test_products(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("neighbours", "vote_share"):
        monkeypatch.setattr(f"hangtag.{module}.ENOUGH", 20)
    model = read_model(train(drawn_catalogue, shorter(tiny_recipe, 1), tmp_path / "model"))
    parts = model.info.training["products"]
    assert model.info.neighbours is not None
    assert model.info.neighbours.products == parts["train"] + parts["validation"]
    assert "season" in model.info.neighbours.log_odds
    with_votes, alone = (
        evaluate(Tagger(model.folder, neighbours=vote), drawn_catalogue, split="validation")
        for vote in (True, False)
    )
    # After one epoch the network knows little, but these products vote for themselves.
    assert with_votes.all_right().value > alone.all_right().value + 0.1


def test_too_few_products_have_no_vote(tiny_model: Path) -> None:
    tagger = Tagger(tiny_model)
    assert TrainingNeighbours.can_vote(sittings(tagger))
    assert not TrainingNeighbours.can_vote(sittings(tagger, 99))


def test_validation_products_vote_at_last(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    tagger = Tagger(folder)
    data = sittings(tagger)
    # Of the training products nobody knows whom they're for.
    unknown = data.targets["gender"] | (data.parts == "train")[:, np.newaxis]
    voters = TrainingNeighbours(tagger, replace(data, targets={"gender": unknown}), 10)
    assert voters.fit().products == LEARNT
    first = tagger.model.onnx_path.read_bytes()
    assert voters.all_vote().products == LEARNT + JUDGED
    session = open_session(tagger.model, 1)
    photos = data.pool.rgb(data.rows("validation", extra=False))
    votes = session.run(["votes/gender"], {"photos": photos})[0]
    assert votes.sum(axis=1).min() > 0.2
    tagger.model.onnx_path.write_bytes(first)
    before = open_session(tagger.model, 1).run(["votes/gender"], {"photos": photos})[0]
    assert not before.any()


def test_products_that_are_near_to_many_count_less(neighbourly: Path, tmp_path: Path) -> None:
    shutil.copytree(neighbourly, tmp_path / "model")
    tagger = Tagger(tmp_path / "model")
    photo = {"photos": sittings(tagger).pool.rgb(np.arange(1))}
    look = open_session(tagger.model, 1).run(["look"], photo)[0][0]
    dice = np.random.default_rng(0)

    def like(other: np.ndarray, share: float) -> np.ndarray:
        return np.where(dice.random(len(other)) < share, -1, 1) * other

    lone, crowded = like(look, 0.3), like(look, 0.2)
    crowd = [like(crowded, 0.05) for _ in range(12)]
    knows = np.ones((14, len(tagger.attributes[0].values)), bool)
    knows[0], knows[1] = np.eye(knows.shape[1], dtype=bool)[:2]
    votes = {}
    for name, looks in (("beside a crowd", [lone, crowded, *crowd]), ("alone", [lone, crowded])):
        bank = bank_of(np.array(looks), {"gender": knows[: len(looks)]}, 30)
        set_bank(tagger.model.onnx_path, bank)
        said = open_session(tagger.model, 1).run(["votes/gender"], photo)[0]
        votes[name] = said[0, 0] / said[0, :2].sum()
    assert votes["alone"] < 0.5
    assert votes["beside a crowd"] > 0.5


def test_votes_count_little_where_the_network_knows_better(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    tagger = Tagger(folder)
    data = sittings(tagger)
    judged = data.rows("validation")
    alone = tagger.probabilities(data.pool.rgb(judged)).values["gender"].argmax(1)
    labels = np.random.default_rng(0).permutation(data.targets["gender"])
    labels[judged] = alone[:, np.newaxis] == np.arange(labels.shape[1])
    fitted = TrainingNeighbours(tagger, replace(data, targets={"gender": labels}), 10).fit()
    write_info(folder, tagger.info.model_copy(update={"neighbours": fitted}), "")
    said = Tagger(folder).probabilities(data.pool.rgb(judged)).values["gender"].argmax(1)
    # Of 210 products; how many follow the votes was 11 on a processor without AVX-512.
    assert (said == alone).mean() > 0.9


def test_neighbours_without_a_label_leave_the_network_its_word() -> None:
    logits = {"gender": np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)}
    votes = {"gender": np.array([[0.0, 1.0], [0.0, 0.0]], np.float32)}
    neighbours = Neighbours(products=1, log_odds={"gender": (0.0, 0.0), "season": (0.0, 0.0)})
    mixed = counted_in(logits, votes, np.array([0.5, 0.5]), neighbours)
    alone = softmax(logits["gender"])
    assert [*mixed] == ["gender"]
    assert np.allclose(softmax(mixed["gender"])[0], (alone[0] + [0, 1]) / 2)
    assert np.allclose(softmax(mixed["gender"])[1], alone[1])


def test_votes_that_agree_with_each_other_and_the_network_count_more() -> None:
    logits = {"season": np.array([[2.0, 0.0, 0.0]] * 3, np.float32)}
    one, other, torn = [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]
    votes = {"season": np.array([one, other, torn], np.float32)}
    share = {}
    for number, slopes in enumerate(((0, 1, 0, 0), (0, 0, 0, 1))):
        neighbours = Neighbours(products=1, log_odds={"season": (0.0, *slopes)})
        mixed = softmax(counted_in(logits, votes, np.zeros(3), neighbours)["season"])
        alone = softmax(logits["season"])
        share[number] = np.abs(mixed - alone).sum(1) / np.abs(votes["season"] - alone).sum(1)
    by_agreement, by_accord = share.values()
    assert by_agreement[0] > by_agreement[2] + 0.4
    assert by_accord[1] > by_accord[0] + 0.3


def test_a_model_without_the_outputs_says_so(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    lost = Neighbours(products=1, log_odds={"gender": (0.0, 1.0)})
    write_info(folder, read_model(folder).info.model_copy(update={"neighbours": lost}), "")
    with pytest.raises(HangtagError, match="nearness"):
        Tagger(folder)
