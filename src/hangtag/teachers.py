"""What trained models say of the training products: soft labels for another network.

A network that learns from the mean of several others' probabilities beside the labels comes near
what they are worth together, and wrong labels weigh less (Hinton et al., "Distilling the Knowledge
in a Neural Network", 2015).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hangtag.cache import cache_folder, fingerprint, kept
from hangtag.errors import HangtagError
from hangtag.model import INFO, sha256
from hangtag.photo_reader import PhotoReader
from hangtag.prediction import predict
from hangtag.progress import Progress
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

_SAID = "said of "


def soft_labels(
    teachers: Sequence[str | Path],
    catalogue: "Catalogue",
    data: TrainingData,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Ask models about the training products of the main catalogue.

    Each looks at a product's own photo and at its mirror image; what they say is averaged. What a
    teacher that doesn't know all values says of others than the pupil's is left to the label, and
    so is all it says of a product whose label it doesn't know. Attributes that none tags are left
    out. What a teacher said is kept beside the decoded photos: it's asked once, not again when a
    run resumes.

    Args:
        teachers: Names or folders of models.
        catalogue: The main one.
        data: Made of it.
        progress: Told about the tagging.

    Returns:
        float16 (rows of ``data``, values) by attribute: each row sums to 1, or to less where
        teachers don't know all values, and to 0 where nothing was asked or known.

    Raises:
        HangtagError: A model that can't be read or knows none of the values, or a cache that can't
            be written.
    """
    asked = data.rows("train", extra=False).tolist()
    sums: dict[str, np.ndarray] = {}
    elsewhere: dict[str, np.ndarray] = {}
    for teacher in teachers:
        # A training product's nearest neighbour is itself.
        tagger = Tagger(teacher, flip=True, neighbours=False)
        theirs = {attribute.name: attribute for attribute in tagger.attributes}
        shared = {
            attribute.name: [value for value in attribute.values if value in known.index]
            for attribute in data.attributes
            if (known := theirs.get(attribute.name)) is not None
        }
        if not any(shared.values()):
            raise HangtagError(
                f"{teacher}: knows none of the values that are to be learnt; take another --teacher"
            )
        rows, said = _heard(tagger, catalogue, asked, progress)
        for attribute in data.attributes:
            both = shared.get(attribute.name)
            if not both:
                continue
            if attribute.name not in sums:
                shape = (len(data.own), len(attribute.values))
                sums[attribute.name] = np.zeros(shape, np.float32)
                elsewhere[attribute.name] = np.zeros((len(data.own), 1), np.float32)
            here = np.array([attribute.index[value] for value in both])
            there = np.array([theirs[attribute.name].index[value] for value in both])
            word, heard = said[attribute.name], rows
            if len(both) < len(attribute.values):
                allowed = data.targets[attribute.name][rows]
                # It would teach some other value with certainty.
                speaks = allowed[:, here].any(1) | ~allowed.any(1)
                word, heard = word[speaks], rows[speaks]
                lost = np.delete(word, there, axis=1).sum(1, keepdims=True, dtype=np.float32)
                elsewhere[attribute.name][heard] += lost
            sums[attribute.name][np.ix_(heard, here)] += word[:, there]
    return {
        name: (total / np.maximum(total.sum(1, keepdims=True) + elsewhere[name], 1e-6)).astype(
            np.float16
        )
        for name, total in sums.items()
    }


def _heard(
    teacher: Tagger, catalogue: "Catalogue", asked: list[int], progress: Progress | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The rows whose photos could be read, and what a teacher says of them, by attribute."""
    made_by = sha256(teacher.model.folder / INFO)
    file = cache_folder() / f"teacher-{fingerprint(catalogue, made_by, asked)}.npz"
    if not file.exists():
        said = predict(teacher, PhotoReader(catalogue), asked, progress)
        values = {_SAID + name: array.astype(np.float16) for name, array in said.values.items()}
        with kept(file) as unfinished:
            np.savez(unfinished, rows=np.array(said.rows), **values)  # type: ignore[arg-type]
    with np.load(file) as arrays:
        return arrays["rows"], {
            name.removeprefix(_SAID): array for name, array in arrays.items() if name != "rows"
        }
