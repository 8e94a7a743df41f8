"""A training recipe as data: what to learn from which photos, with which network, and how.

`hangtag.recipe_file` reads one.
"""

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from hangtag.attributes import PRODUCT_ATTRIBUTES
from hangtag.errors import HangtagError

RECIPE_VERSION = 1


class RecipeError(HangtagError):
    """A recipe that can't be read. The message names the key, the problem and the nearest word."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Translation(_Section):
    """What the words of another catalogue mean in ours.

    A cell of ``column`` that holds a key of ``values`` becomes a label of ``attribute``: one of
    the listed values, without saying which. Other cells become missing labels.
    """

    column: str
    attribute: str
    values: dict[str, list[str]]


class Network(_Section):
    """Backbone, pooling, neck and heads."""

    backbone: str = "tf_efficientnet_lite0"
    """A timm model name, or ``cnn`` for a small plain convolutional network."""
    pretrained: bool = True
    frozen: bool = False
    """Keep the backbone as it is. Its features are computed once and cached where they never
    change: no attention, no palette, no augmentation, one input size."""
    frozen_stages: int = Field(0, ge=0)
    """How many of the backbone's first stages are kept as they are, the stem with them: the maps
    there are the largest, and what they show is much the same for all photos."""
    attention: Literal["none", "cbam", "se"] = "none"
    """Attention block on the backbone's last feature map."""
    pooling: Literal["average", "flatten"] = "average"
    palette: int = Field(0, ge=0)
    """Channels of the colour branch, which reads pixels beside the backbone; 0 for none."""
    neck: list[int] = []
    """Widths of the dense layers that all heads share."""
    head_hidden: int | dict[str, int] = 0
    """Width of each head's hidden layer, for all heads or by attribute; 0 for a linear head."""
    dropout: float = Field(0.2, ge=0, lt=1)
    adopted: bool = False
    """Where training goes on from a model (`--start`), its backbone, attention, pooling, colour
    branch, neck and input size take the place of the recipe's. The recipe still says what is
    frozen, the dropout, and which heads have a hidden layer if any has."""


class Loss(_Section):
    """What the network is asked to minimise, the sum over the attributes."""

    kind: Literal["cross-entropy", "focal"] = "cross-entropy"
    focal_gamma: float = Field(2.0, ge=0)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    """Share of each label that all values get; none where logits are adjusted, or rare values would
    have to work their way up to that share, and then be said of everything."""
    class_weights: Literal["none", "balanced"] = "none"
    logit_adjustment: float = Field(0.0, ge=0)
    """Strength of the log-prior added to the logits in training (Menon et al., 2021): 1 is the
    balanced softmax. The prior is of the catalogue's training products, each counted once, so
    ``repeat_rare`` would favour rare types a second time."""
    teacher_weight: float = Field(0.5, ge=0, le=1)
    """Share of the teachers' word in the loss, where there are teachers (`--teacher`)."""
    attribute_weights: dict[str, float] = {}
    """Weight of an attribute's loss where it isn't 1."""


class Stage(_Section):
    """A run of epochs at one input size."""

    epochs: int = Field(ge=1)
    size: tuple[PositiveInt, PositiveInt] | None = None
    """Height and width in pixels; the network's input size if absent."""
    augmentation: float = Field(1.0, ge=0, le=1)
    """How much of the recipe's augmentation the photos get: a gentle last stage shows the network
    photos as they will come."""


class Schedule(_Section):
    """Optimiser, learning rate and length of the training."""

    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    backbone_rate: float = Field(1.0, gt=0)
    """The backbone's share of the learning rate."""
    weight_decay: float = Field(0.02, ge=0)
    decay: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    warm_up: float = Field(0.15, ge=0, lt=1)
    """Share of the steps in which the learning rate rises."""
    stages: list[Stage] = Field([Stage(epochs=6)], min_length=1)
    batch_size: int = Field(64, ge=1)
    averaging: float = Field(0.998, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which never reaches back over more
    than a tenth of the run (`hangtag.moving_average`); 0 for none."""
    patience: int = Field(0, ge=0)
    """Epochs without a better validation loss before training stops; 0 to never stop early."""
    repeat_rare: float = Field(0.0, ge=0, lt=1)
    """Article types rarer than this share are shown more often, by the square root of what they
    lack (repeat-factor sampling, Gupta et al., 2019)."""
    gradient_clip: float = Field(0.0, ge=0)

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)


class Augmentation(_Section):
    """Random changes of a training photo that leave its labels true, and mixtures of two photos
    with the labels of both."""

    flip: bool = True
    vertical_flip: bool = False
    zoom: tuple[PositiveFloat, PositiveFloat] = (0.85, 1.15)
    """Range of the magnification: below 1 the product gets smaller."""
    stretch: float = Field(0.05, ge=0, lt=1)
    """Largest relative change of the aspect ratio."""
    rotation: float = Field(7.0, ge=0)
    """Largest rotation, in degrees."""
    quarter_turn: float = Field(0.0, ge=0, le=1)
    """Share of the photos with other surroundings than white that are laid on a side."""
    any_turn: float = Field(0.0, ge=0, le=1)
    """Share of these photos that are turned by any angle, as clothes lie on a floor."""
    shift: float = Field(0.08, ge=0, lt=1)
    """Largest shift, as a share of the photo's side."""
    brightness: float = Field(0.1, ge=0, lt=1)
    contrast: float = Field(0.1, ge=0, lt=1)
    colour_cast: float = Field(0.03, ge=0, lt=1)
    """Largest relative change of one colour channel against the others."""
    background: float = Field(0.0, ge=0, le=1)
    """Share of the photos whose white background is replaced."""
    studio: float = Field(0.0, ge=0, le=1)
    """Share of the photos with other surroundings whose product is set on a plain pale ground,
    where it can be cut out."""
    moved: float = Field(0.0, ge=0, le=1)
    """Share of these photos whose product is set in the surroundings of another photo, likewise."""
    shadow: float = Field(0.0, ge=0, le=1)
    """How dark the shadow of half of the products set on a plain ground may get."""
    wearer: float = Field(0.0, ge=0, le=1)
    """Share of the garments' photos on white whose wearer is taken away, where a face is found."""
    worn: dict[str, list[str]] = {"masterCategory": ["Apparel"]}
    """Labels that only garments have, by attribute."""
    paired: float = Field(0.0, ge=0, le=1)
    """Share of the photos shown twice beside each other, as shops show front and back."""
    covered: float = Field(0.0, ge=0, le=1)
    """Share of the photos of which a plain rectangle hides a part."""
    marked: float = Field(0.0, ge=0, le=1)
    """Share of the photos over which words or a badge are printed (`hangtag.marks`)."""
    soften: float = Field(0.0, ge=0, le=1)
    """Share of the photos that lose detail, so that sharpness tells nothing."""
    jpeg: float = Field(0.0, ge=0, le=1)
    """Share of the photos that lose detail that are saved as poor JPEGs, too."""
    noise: float = Field(0.0, ge=0)
    """Largest standard deviation of pixel noise; pixel values run from 0 to 1."""
    cutmix: float = Field(0.0, ge=0, le=1)
    """Share of the batches whose photos each hold a piece of another one, and learn the labels of
    both (`hangtag.mixing`)."""
    mixup: float = Field(0.0, ge=0, le=1)
    """Share of the batches whose photos are each averaged with another one."""

    @model_validator(mode="after")
    def _mixed_one_way(self) -> "Augmentation":
        if self.cutmix + self.mixup > 1:
            raise ValueError("cutmix and mixup are shares of the batches: together at most 1")
        return self

    @model_validator(mode="after")
    def _moved_to_one_place(self) -> "Augmentation":
        if self.studio + self.moved > 1:
            raise ValueError("studio and moved are shares of the same photos: together at most 1")
        return self

    @property
    def cuts_out(self) -> bool:
        """Whether products are cut out of other surroundings than white."""
        return self.studio + self.moved > 0

    def scaled(self, share: float) -> "Augmentation":
        """The same changes, each going only ``share`` (0 to 1) as far or happening as often."""
        changes: dict[str, Any] = {"zoom": tuple(zoom**share for zoom in self.zoom)}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, float):
                changes[name] = share * value
        return self.model_copy(update=changes)


class Photos(_Section):
    """Which photos are shown to the network."""

    alternate_share: float = Field(0.5, ge=0, le=1)
    """How often a product's alternate photo is shown in place of its own, where there is one."""
    alternate_blind: list[str] = []
    """Attributes not learnt from alternate photos. Which products have one is seldom random, so
    its sharpness would give the answer away."""
    extra_share: float = Field(0.0, ge=0, lt=1)
    """Photos drawn from the extra catalogues in an epoch, as a share of the catalogue's own."""
    extra_repeat_rare: float = Field(0.0, ge=0, lt=1)
    """Of these, photos of article types rarer than this share of them are drawn more often, as
    ``repeat_rare`` repeats products."""


class Combination(_Section):
    """A new attribute made of others: ``Tshirts-Men-Topwear-Apparel``."""

    name: str
    attributes: list[str] = Field(min_length=2)
    separator: str = "-"
    most_frequent: int = Field(0, ge=0)
    """Keep only the k most frequent values; 0 for all."""


class Grouping(_Section):
    """Values of an attribute merged into named groups."""

    attribute: str
    groups: dict[str, list[str]]


class RareValues(_Section):
    """What becomes of values that too few products have."""

    attribute: str
    fewer_than: int = Field(ge=1)
    into: str | None = None
    """The value that they merge into; without it their labels are dropped."""


class Recipe(_Section):
    """A whole recipe. Every field has a default, so a file states only what it changes."""

    format_version: int = RECIPE_VERSION
    name: str = "unnamed"
    description: str = ""
    attributes: list[str] = Field(list(PRODUCT_ATTRIBUTES), min_length=1)
    details: list[str] = []
    """Finer attributes that only some article types have, such as a neck. The model tags them when
    it's asked to. Those that a catalogue doesn't have are left out."""
    auxiliary: list[str] = []
    """Attributes that teach the backbone and are left out of the model. Those that a catalogue
    doesn't have are left out."""
    input_size: tuple[int, int] = (112, 84)
    """Height and width in pixels."""
    neighbours: int = Field(30, ge=0, le=1000)
    """How many training products whose photos are most like one vote beside the network; 0 for
    none. The model then holds a code of each training photo and its labels (`hangtag.voting`)."""
    histogram: bool = True
    """Whether a second reader, which sees nothing but how much of a photo is of which colour, says
    the base colour with the network (`hangtag.histogram`)."""
    seed: int = Field(1, ge=0)
    network: Network = Network()
    loss: Loss = Loss()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    photos: Photos = Photos()
    translations: list[Translation] = []
    groups: list[Grouping] = []
    rare: list[RareValues] = []
    combine: list[Combination] = []

    @model_validator(mode="after")
    def _input_size_is_sane(self) -> "Recipe":
        if not all(16 <= side <= 1024 for side in self.input_size):
            raise ValueError("input_size: each side must be 16 to 1024 pixels")
        return self

    @model_validator(mode="after")
    def _heads_are_named_once(self) -> "Recipe":
        names = [*self.attributes, *self.details, *self.auxiliary]
        if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"attributes, details, auxiliary: {repeated[0]!r} occurs twice")
        return self

    @property
    def labelled(self) -> set[str]:
        """The attributes that have labels for rules to change: learnt ones, and parts of these."""
        parts = [name for one in self.combine for name in one.attributes]
        return {*self.attributes, *self.details, *self.auxiliary, *parts}

    def learning(self, attributes: list[str]) -> "Recipe":
        """The same recipe for other attributes, without the rules for those it no longer has."""
        attributes = list(dict.fromkeys(attributes))
        other = self.model_copy(
            update={
                "attributes": attributes,
                "details": [name for name in self.details if name not in attributes],
                "auxiliary": [name for name in self.auxiliary if name not in attributes],
                "combine": [one for one in self.combine if one.name in attributes],
            }
        )
        return other.model_copy(
            update={
                "groups": [one for one in self.groups if one.attribute in other.labelled],
                "rare": [one for one in self.rare if one.attribute in other.labelled],
            }
        )
