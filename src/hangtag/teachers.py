"""What trained models say of the training products: soft labels for another network.

A network that learns from the mean of several others' probabilities beside the labels comes near
what they are worth together, and wrong labels weigh less (Hinton et al., "Distilling the Knowledge
in a Neural Network", 2015).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hangtag.photo_cache import Progress
from hangtag.photo_reader import PhotoReader
from hangtag.prediction import predict
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue


def soft_labels(
    teachers: Sequence[str | Path],
    catalogue: "Catalogue",
    data: TrainingData,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Ask models about the training products of the main catalogue.

    Each looks at a product's own photo and at its mirror image; what they say is averaged. Values
    that a teacher doesn't know get nothing from it, attributes that none tags are left out.

    Args:
        teachers: Names or folders of models.
        catalogue: The main one.
        data: Made of it.
        progress: Told about the tagging.

    Returns:
        float16 (rows of ``data``, values) by attribute: each row sums to 1, or to 0 where nothing
        was asked or known.

    Raises:
        HangtagError: A model that can't be read.
    """
    reader = PhotoReader(catalogue)
    asked = data.rows("train", extra=False).tolist()
    sums: dict[str, np.ndarray] = {}
    for teacher in teachers:
        tagger = Tagger(teacher, flip=True)
        known = {attribute.name: attribute for attribute in tagger.attributes}
        said = predict(tagger, reader, asked, progress)
        for attribute in data.attributes:
            if attribute.name not in known:
                continue
            theirs = known[attribute.name].index
            both = [value for value in attribute.values if value in theirs]
            total = sums.setdefault(
                attribute.name, np.zeros((len(data.own), len(attribute.values)), np.float32)
            )
            here = [attribute.index[value] for value in both]
            there = [theirs[value] for value in both]
            total[np.ix_(said.rows, here)] += said.values[attribute.name][:, there]
    return {
        name: (total / np.maximum(total.sum(1, keepdims=True), 1e-6)).astype(np.float16)
        for name, total in sums.items()
    }
