"""Whether decoding at reduced scale changes tags: the same photos, decoded in full and reduced."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hangtag.photo import read_photo, to_input
from hangtag.tagger import Tagger


def reduced_decoding(tagger: Tagger, paths: Sequence[Path]) -> dict[str, float]:
    """Compare all tags of the photos.

    Returns:
        ``photos``, ``tags``, the percentage of tags whose value is the ``same``, and the mean and
        largest difference of confidence in percentage points.
    """
    size = tagger.input_size
    same: list[bool] = []
    differences: list[float] = []
    for path in paths:
        full, reduced = (
            tagger.probabilities(to_input(read_photo(path, smallest=smallest), size)[np.newaxis])
            for smallest in (None, size)
        )
        for attribute in tagger.attributes:
            one, other = full.values[attribute.name][0], reduced.values[attribute.name][0]
            same.append(bool(one.argmax() == other.argmax()))
            differences.append(100 * abs(float(one.max() - other.max())))
    return {
        "photos": len(paths),
        "tags": len(same),
        "same": 100 * float(np.mean(same)),
        "mean difference": float(np.mean(differences)),
        "largest difference": max(differences),
    }
