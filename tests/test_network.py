import pytest
import torch

from hangtag.attributes import Attribute
from hangtag.network import HangtagNetwork
from hangtag.recipe import Network
from hangtag.weights import WeightsError

GENDER = [Attribute("gender", ("Men", "Women"))]
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def _network(backbone: str) -> HangtagNetwork:
    return HangtagNetwork(Network(backbone=backbone), GENDER, (32, 32), from_scratch=True).eval()


@pytest.fixture
def photos() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(1)).float()


def test_a_backbone_gets_pixels_as_in_its_own_training(photos: torch.Tensor) -> None:
    expected = (photos / 255 - MEAN) / STD
    assert torch.allclose(_network("resnet18").normalise(photos), expected, atol=1e-5)


@pytest.mark.parametrize("backbone", ["cnn", "tf_efficientnet_lite0"])
def test_shipped_weights_keep_the_pixels_that_they_know(
    backbone: str, photos: torch.Tensor
) -> None:
    assert torch.equal(_network(backbone).normalise(photos), (photos - 127) / 128)


def test_the_pixel_range_is_in_the_graph_and_not_among_the_weights(photos: torch.Tensor) -> None:
    network = _network("resnet18")
    parts = {key.split(".")[0] for key in network.state_dict()}
    assert parts == {"backbone", "heads"}
    program = torch.export.export(network, (photos,))
    assert torch.allclose(program.module()(photos)["gender"], network(photos)["gender"], atol=1e-4)


@pytest.mark.parametrize("backbone", ["cnn", "resnet18", "tf_efficientnet_lite0", "levit_128s"])
def test_what_is_exported_is_what_was_trained(backbone: str) -> None:
    dice = torch.Generator().manual_seed(1)
    photos = torch.randint(0, 256, (2, 3, 224, 224), generator=dice).float()
    recipe = Network(backbone=backbone, attention="se")
    network = HangtagNetwork(recipe, GENDER, (224, 224), from_scratch=True).eval()
    with torch.no_grad():
        said = network.outputs(photos)
        assert torch.equal(said.logits["gender"], network(photos)["gender"])
        assert torch.equal(said.features, network.feature_map(network.normalise(photos)))
    # A grid of at least four rows and four columns for each channel, where timm gives the map.
    assert said.midway is None or (said.midway.shape[0] == 2 and said.midway.shape[1] % 16 == 0)
    assert (said.midway is None) == (backbone == "cnn")


@pytest.mark.parametrize(
    ("backbone", "kept", "changing"),
    [
        ("resnet18", ["conv1", "layer1.0.conv1"], ["layer3.0.downsample.0", "layer3.0.bn2"]),
        ("tf_efficientnet_lite0", ["conv_stem", "blocks.1.0.conv_pw"], ["blocks.3.0.conv_pw"]),
    ],
)
def test_first_stages_can_be_kept_as_they_are(
    backbone: str, kept: list[str], changing: list[str]
) -> None:
    photos = 255 * torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    recipe = Network(backbone=backbone, frozen_stages=2)
    network = HangtagNetwork(recipe, GENDER, (64, 64), from_scratch=True).train()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    network(photos)["gender"].square().sum().backward()
    torch.optim.SGD(network.parameters(), 1.0).step()
    changed = {
        name.removeprefix("backbone.").rpartition(".")[0]
        for name, one in network.state_dict().items()
        if not torch.equal(one, before[name])
    }
    assert changed.issuperset(changing)
    assert changed.isdisjoint([*kept, "bn1"])


def test_stages_that_a_backbone_has_not_are_refused() -> None:
    for backbone, why in (("resnet18", "the backbone has 4"), ("cnn", "no stages")):
        with pytest.raises(WeightsError, match=why):
            recipe = Network(backbone=backbone, frozen_stages=4)
            HangtagNetwork(recipe, GENDER, (32, 32), from_scratch=True)
