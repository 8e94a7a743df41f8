"""Tag photos: a model folder and ONNX Runtime; photos in, tags out. Needs no PyTorch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np

from hangtag import activation
from hangtag.attributes import TYPE, Attribute
from hangtag.calibration import Decoder
from hangtag.cores import available_cores
from hangtag.errors import HangtagError
from hangtag.model import (
    EMBEDDING,
    FEATURES,
    IN_DOMAIN,
    INPUT,
    LOGITS,
    NEARNESS,
    ORIENTATION,
    VOTES,
    Model,
    ModelError,
    ModelInfo,
    read_model,
)
from hangtag.photo import PhotoError, Source, read_photo, to_input
from hangtag.precision import DEFAULT, HIGHEST
from hangtag.session import open_session
from hangtag.tags import Alternative, PhotoTags, Tag
from hangtag.turning import upright
from hangtag.voting import counted_in

_BATCH = 32


@dataclass(frozen=True)
class Output:
    """What a network says of N photos.

    Attributes:
        logits: float32 (N, values) by attribute, uncalibrated; with the neighbours' votes, if they
            count.
        embedding: float32 (N, D).
        in_domain: float32 (N,), higher for photos more like those that the model was trained on;
            nan where it has no such score.
        orientation: float32 (N, 3): logs of the probabilities that a photo is upright, lies on a
            side, is upside down (with mirror images: the means of both); nan where the model can't
            tell.
    """

    logits: dict[str, np.ndarray]
    embedding: np.ndarray
    in_domain: np.ndarray
    orientation: np.ndarray

    def overwrite(self, rows: np.ndarray, other: "Output", others: np.ndarray) -> None:
        """Put rows of another output in the place of some of these."""
        for name, values in self.logits.items():
            values[rows] = other.logits[name][others]
        self.embedding[rows] = other.embedding[others]
        self.in_domain[rows] = other.in_domain[others]
        self.orientation[rows] = other.orientation[others]


@dataclass(frozen=True)
class Probabilities:
    """What a model says of N photos.

    Attributes:
        values: float32 (N, values) by attribute, each row summing to 1; calibrated, and the levels
            of the taxonomy in agreement.
        in_domain: As in `Output`.
        embedding: As in `Output`.
        turned: int (N,): by how many degrees each photo was turned clockwise.
    """

    values: dict[str, np.ndarray]
    in_domain: np.ndarray
    embedding: np.ndarray
    turned: np.ndarray

    def __getitem__(self, rows: slice) -> "Probabilities":
        return Probabilities(
            {name: values[rows] for name, values in self.values.items()},
            self.in_domain[rows],
            self.embedding[rows],
            self.turned[rows],
        )


class Tagger:
    """Writes the tags of photos.

    Args:
        model: Name of a model that ships, or a model folder.
        precision: What share of the accepted tags shall be right, 0 to 0.995; models know targets
            from 0.8 on.
        attributes: Which to tag; by default all that every product has.
        details: Tag also those that only some article types have, such as a neck, where the photo
            shows one of these types.
        alternatives: How many further values to give for each tag.
        flip: Look at each photo and at its mirror image, and take the mean: a little more often
            right, for twice the network's time.
        turn: Turn photos upright that lie on a side or upside down (`hangtag.turning`). Those that
            are doubted, one in fifty of a shop's, take four times the network's time.
        neighbours: Let the training products vote whose photos are most like the one that is
            tagged, where the model has such (`hangtag.voting`).
        threads: For the network; as many as there are cores by default.

    Raises:
        ModelError: The model is missing, damaged or newer than this hangtag.
        HangtagError: An attribute that the model doesn't know, or a precision above 0.995.

    Example:
        >>> tags = Tagger().tag("shirt.jpg").tags
        >>> tags["articleType"].value, tags["articleType"].confidence
        ('Shirts', 0.97)
    """

    def __init__(
        self,
        model: str | Path = "default",
        *,
        precision: float = DEFAULT,
        attributes: Sequence[str] | None = None,
        details: bool = False,
        alternatives: int = 3,
        flip: bool = False,
        turn: bool = True,
        neighbours: bool = True,
        threads: int | None = None,
    ) -> None:
        if not 0 <= precision <= HIGHEST:
            raise HangtagError(f"precision {precision:g}: choose one between 0 and {HIGHEST:g}")
        self.model: Model = read_model(model)
        self.info: ModelInfo = self.model.info
        self.input_size = self.info.input_size
        self._vocabulary = {one.name: one for one in self.info.vocabularies()}
        wanted = _wanted(self.info, [*self._vocabulary], attributes, details)
        self.attributes: list[Attribute] = [
            one for name, one in self._vocabulary.items() if name in wanted
        ]
        # What every product has is always worked out: the taxonomy wants it.
        worked_out = [
            one
            for name, one in self._vocabulary.items()
            if name in wanted or name not in self.info.details
        ]
        self.alternatives = alternatives
        self.flip = flip
        self._thresholds = {
            one.name: self.info.calibration.threshold(one.name, precision) for one in worked_out
        }
        self._decode = Decoder(worked_out, self.model.taxonomy, self.info.calibration)
        self._session = open_session(self.model, threads or available_cores())
        self._outputs = [EMBEDDING, *(LOGITS + one.name for one in worked_out)]
        self._orientation = self.info.orientation if turn else None
        self._neighbours = self.info.neighbours if neighbours else None
        further = [IN_DOMAIN] if self.info.domain else []
        further += [ORIENTATION] if self._orientation else []
        if self._neighbours:
            counted = self._neighbours.log_odds
            further += [NEARNESS, *(VOTES + one.name for one in worked_out if one.name in counted)]
        given = {output.name for output in self._session.get_outputs()}
        for name in further:
            if name not in given:
                raise ModelError(
                    f"{self.model.folder}: its network has no output {name!r}, as that of an older "
                    "hangtag; train the model again"
                )
            self._outputs.append(name)

    @property
    def asks_neighbours(self) -> bool:
        """Whether products like those in a photo have a vote."""
        return self._neighbours is not None

    @property
    def main_attributes(self) -> list[Attribute]:
        """Those of ``attributes`` that every product has: all but the details."""
        return [one for one in self.attributes if one.name not in self.info.details]

    @overload
    def tag(self, photos: Source) -> PhotoTags: ...

    @overload
    def tag(self, photos: list[Source] | tuple[Source, ...]) -> list[PhotoTags]: ...

    def tag(
        self, photos: Source | list[Source] | tuple[Source, ...]
    ) -> PhotoTags | list[PhotoTags]:
        """Tag one photo or several.

        A photo is a path, the bytes of a file, a binary file that is open, a PIL image, or an array
        uint8 (H, W, 3). For folders, zips and tables there is `hangtag.bulk.inputs.Inputs`.

        Returns:
            The tags of one photo, or of each in order. One that can't be read has an ``error`` and
            no tags.
        """
        if isinstance(photos, (list, tuple)):
            return list(self._tag_all(photos))
        return next(self._tag_all([photos]))

    def prepare(self, photo: Source) -> np.ndarray:
        """Read a photo into the network's input: uint8 (h, w, 3).

        Raises:
            PhotoError: It can't be read.
        """
        return to_input(read_photo(photo, smallest=self.input_size), self.input_size)

    def probabilities(self, inputs: np.ndarray) -> Probabilities:
        """Run the network, on photos set upright, and calibrate what it says.

        Args:
            inputs: uint8 (N, h, w, 3) from `prepare`.
        """
        if self._orientation is None:
            output, degrees = self.run(inputs), np.zeros(len(inputs), int)
        else:
            output, degrees = upright(inputs, self.run, self._orientation)
        return Probabilities(
            self._decode(output.logits), output.in_domain, output.embedding, degrees
        )

    def run(self, inputs: np.ndarray) -> Output:
        """Run the network, and nothing after it.

        Args:
            inputs: uint8 (N, h, w, 3) from `prepare`.
        """
        found = self._session.run(self._outputs, {INPUT: inputs})
        if self.flip:
            mirror_images = np.ascontiguousarray(inputs[:, :, ::-1])
            mirrored = self._session.run(self._outputs, {INPUT: mirror_images})
            # Like products face the same way, so a mirror image is near to none.
            found = [
                one if name.startswith((NEARNESS, VOTES)) else (one + other) / 2
                for name, one, other in zip(self._outputs, found, mirrored, strict=True)
            ]
        named = dict(zip(self._outputs, found, strict=True))
        embedding = named.pop(EMBEDDING)
        in_domain = named.pop(IN_DOMAIN, np.full(len(inputs), np.nan, np.float32))
        orientation = named.pop(ORIENTATION, np.full((len(inputs), 3), np.nan, np.float32))
        logits = _behind(LOGITS, named)
        if self._neighbours:
            logits = counted_in(logits, _behind(VOTES, named), named[NEARNESS], self._neighbours)
        return Output(logits, embedding, in_domain, orientation)

    def run_all(self, batches: Iterable[np.ndarray]) -> Output:
        """Run the network on several batches, as `run` does on one."""
        parts = [self.run(batch) for batch in batches]
        return Output(
            {name: np.concatenate([one.logits[name] for one in parts]) for name in parts[0].logits},
            np.concatenate([one.embedding for one in parts]),
            np.concatenate([one.in_domain for one in parts]),
            np.concatenate([one.orientation for one in parts]),
        )

    def tags_from(self, probabilities: Probabilities, names: Sequence[str]) -> list[PhotoTags]:
        """Turn probabilities into tags.

        Args:
            probabilities: Of N photos.
            names: Of the N photos.
        """
        domain = self.info.domain
        known: list[bool | None] = [None] * len(names)
        if domain is not None:
            known = [bool(score >= domain.threshold) for score in probabilities.in_domain]
        ranked = {}
        for attribute in self.attributes:
            values = probabilities.values[attribute.name]
            ranked[attribute.name] = np.argsort(-values, axis=1)[:, : self.alternatives + 1]
        applies = self._applicable(probabilities)
        return [
            PhotoTags(
                photo=name,
                tags={
                    attribute.name: self._tag(
                        attribute,
                        probabilities.values[attribute.name][row],
                        ranked[attribute.name][row],
                        known[row] is not False,
                    )
                    for attribute in self.attributes
                    if attribute.name not in applies or applies[attribute.name][row]
                },
                model=self.info.name,
                known_product=known[row],
                turned=int(probabilities.turned[row]),
            )
            for row, name in enumerate(names)
        ]

    def _applicable(self, probabilities: Probabilities) -> dict[str, np.ndarray]:
        """Which photos show a type that has a detail: bool (N,) by the details that are tagged."""
        details = [one.name for one in self.attributes if one.name in self.info.details]
        if not details:
            return {}
        types = self._vocabulary[TYPE].values
        chosen = probabilities.values[TYPE].argmax(axis=1)
        return {name: np.isin(types, self.info.details[name])[chosen] for name in details}

    def failed(self, name: str, error: HangtagError) -> PhotoTags:
        """The result of a photo that couldn't be read."""
        return PhotoTags(photo=name, tags={}, model=self.info.name, error=str(error))

    def activation_map(
        self, photo: np.ndarray, attribute: str, value: str | None = None
    ) -> np.ndarray:
        """Where in the photo the network saw a value (Zhou et al., class activation map, 2016).

        Args:
            photo: uint8 (h, w, 3) from `prepare`; of one that was turned for its tags,
                `hangtag.turning.turned_input` of that.
            attribute: One that the model knows.
            value: One of its values; the most probable one by default.

        Returns:
            float32 (h, w), 0 to 1, of the input's size: what speaks for the value rather than for
            the attribute's others. For a model whose heads aren't linear, how strong the features
            are at each place, whatever the value.
        """
        features, logits = self._session.run(
            [FEATURES, LOGITS + attribute], {INPUT: photo[np.newaxis]}
        )
        index = self._vocabulary[attribute].index
        row = index[value] if value is not None else int(logits[0].argmax())
        weights = self._head_weights.get(attribute)
        return activation.activation_map(features[0], weights, row, self.input_size)

    @cached_property
    def _head_weights(self) -> dict[str, np.ndarray]:
        return activation.head_weights(self.model.weights_path)

    def _tag_all(self, photos: Sequence[Source]) -> Iterator[PhotoTags]:
        numbered = iter(enumerate(photos))
        while chunk := list(islice(numbered, _BATCH)):
            results: list[PhotoTags | None] = []
            names, inputs = [], []
            for number, photo in chunk:
                name = str(photo) if isinstance(photo, (str, Path)) else f"photo {number + 1}"
                try:
                    inputs.append(self.prepare(photo))
                    names.append(name)
                    results.append(None)
                except PhotoError as error:
                    results.append(self.failed(name, error))
            tagged = iter(
                self.tags_from(self.probabilities(np.stack(inputs)), names) if inputs else ()
            )
            for result in results:
                yield result or next(tagged)

    def _tag(
        self, attribute: Attribute, values: np.ndarray, ranked: np.ndarray, known: bool
    ) -> Tag:
        best, *others = ranked
        confidence = float(values[best])
        accepted = known and confidence >= self._thresholds[attribute.name]
        return Tag(
            value=attribute.values[best],
            confidence=confidence,
            decision="accept" if accepted else "review",
            alternatives=[
                Alternative(attribute.values[other], float(values[other])) for other in others
            ],
        )


def _wanted(
    info: ModelInfo, known: Sequence[str], asked: Sequence[str] | None, details: bool
) -> list[str]:
    """The attributes asked for, by default all but the details."""
    for name in asked or ():
        if name not in known:
            raise HangtagError(f"{info.name}: no attribute {name!r}; there are: {', '.join(known)}")
    names = [name for name in known if name not in info.details] if asked is None else [*asked]
    return [*names, *info.details] if details else names


def _behind(prefix: str, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): values
        for name, values in outputs.items()
        if name.startswith(prefix)
    }
