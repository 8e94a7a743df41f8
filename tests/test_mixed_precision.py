"""Training in sixteen bits gives the numbers that thirty-two give, where they matter."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from hangtag import lightning_module, mixed_precision, trainer, training
from hangtag.attributes import Attribute
from hangtag.augmentation import Augmenter
from hangtag.judge import evaluate
from hangtag.mixed_precision import keep_exact, precision
from hangtag.network import HangtagNetwork
from hangtag.recipe import Network, Recipe

COLOURS = Attribute("baseColour", ("Black", "Navy Blue", "Red"))


@pytest.fixture
def network() -> HangtagNetwork:
    recipe = Network(backbone="tf_efficientnet_lite0", palette=8, pretrained=False)
    made = HangtagNetwork(recipe, [COLOURS], (64, 48), from_scratch=True).eval()
    keep_exact(made)
    return made


def logits(network: HangtagNetwork, photos: torch.Tensor, *, mixed: bool) -> torch.Tensor:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        return network(photos)["baseColour"]


def test_heads_and_colour_branch_stay_in_thirty_two_bits(network: HangtagNetwork) -> None:
    photos = 255 * torch.rand(2, 3, 64, 48)
    assert logits(network, photos, mixed=True).dtype == torch.float32
    inputs = network.normalise(photos)
    features = torch.randn(2, 1280, 2, 2)
    assert network.palette is not None
    with torch.no_grad():
        exactly = network.palette(inputs, features)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(network.palette(inputs, features), exactly)


def test_slow_convolutions_get_no_sixteen_bits_and_the_others_do(network: HangtagNetwork) -> None:
    seen: dict[str, torch.dtype] = {}
    for name, module in network.backbone.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda _, __, out, name=name: seen.update({name: out.dtype})
            )
    logits(network, torch.rand(1, 3, 64, 48), mixed=True)
    convolutions = dict(network.backbone.named_modules())
    for name, dtype in seen.items():
        of = convolutions[name]
        assert isinstance(of, torch.nn.Conv2d)
        slow = of.groups > 1 and (of.stride[0] == 2 or of.kernel_size[0] == 5)
        assert dtype == (torch.float32 if slow else torch.bfloat16), name
    assert {torch.float32, torch.bfloat16} == set(seen.values())


def test_a_copy_works_with_its_own_weights(network: HangtagNetwork) -> None:
    # The moving average of the weights is such a copy.
    photos = torch.rand(1, 3, 64, 48)
    before = logits(network, photos, mixed=True)
    copied = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert torch.equal(logits(network, photos, mixed=True), before)
    assert not logits(copied, photos, mixed=True).any()


def test_names_of_the_weights_stay(network: HangtagNetwork) -> None:
    recipe = Network(backbone="tf_efficientnet_lite0", palette=8, pretrained=False)
    plain = HangtagNetwork(recipe, [COLOURS], (64, 48), from_scratch=True)
    assert list(network.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(network.state_dict())


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx2": True, "avx512_bf16": False}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_processors_without_such_instructions_train_in_thirty_two_bits(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(mixed_precision.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(mixed_precision.torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(
        mixed_precision.torch.cpu, "get_capabilities", lambda: capabilities, raising=False
    )
    assert precision() == expected


def test_a_run_in_sixteen_bits_learns_and_moves_photos_exactly(
    monkeypatch: pytest.MonkeyPatch, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    mixed = []

    class Watched(Augmenter):
        def __call__(self, *inputs: Any) -> torch.Tensor:
            mixed.append(torch.is_autocast_enabled("cpu"))
            return super().__call__(*inputs)

    monkeypatch.setattr(trainer, "precision", lambda: "bf16-mixed")
    monkeypatch.setattr(lightning_module, "Augmenter", Watched)
    model = training.train(drawn_catalogue, tiny_recipe, tmp_path / "model")
    assert mixed
    assert not any(mixed)
    right = evaluate(model, drawn_catalogue).judged["masterCategory"].right
    assert right.mean() > 0.8
