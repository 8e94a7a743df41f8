"""The editable table of a review: its rows, and what a person changed in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hangtag.app.pictures import data_uri
from hangtag.app.review import Review, ReviewedPhoto

RIGHT = "all right"
"""Column of the tick by which a person confirms a row as it stands."""

Edits = Mapping[int, Mapping[str, Any]]
"""Changed cells: by row number and column, as Streamlit's data editor reports them."""


def row(photo: ReviewedPhoto, names: Sequence[str]) -> dict[str, Any]:
    """Show a photo as a row.

    Args:
        photo: One that has tags.
        names: The attributes that are edited. With one, the row also holds ``confidence``,
            ``others`` (alternatives and their confidences) and ``decided by`` (``model``,
            ``person`` or ``open``); with several, ``open``: which of them are to be reviewed.
    """
    doubtful = [name for name in names if photo.tags[name].open]
    cells: dict[str, Any] = {
        "picture": data_uri(photo.thumbnail or b""),
        "photo": photo.name,
        RIGHT: not doubtful,
        **{name: photo.tags[name].value for name in names},
    }
    if len(names) > 1:
        return {**cells, "open": doubtful}
    tag = photo.tags[names[0]]
    return {
        **cells,
        "confidence": tag.suggestion.confidence,
        "others": [(other.value, other.confidence) for other in tag.suggestion.alternatives],
        "decided by": "open" if tag.open else tag.decided_by,
    }


def doubtful_first(photos: Sequence[ReviewedPhoto], names: Sequence[str]) -> list[ReviewedPhoto]:
    """Sort the photos that have tags by how unsure the model is of these attributes."""

    def doubt(photo: ReviewedPhoto) -> float:
        tags = [photo.tags[name] for name in names]
        return max((1 - tag.suggestion.confidence for tag in tags if tag.open), default=0)

    return sorted((photo for photo in photos if photo.error is None), key=doubt, reverse=True)


def take_over(
    review: Review,
    photos: Sequence[ReviewedPhoto],
    names: Sequence[str],
    edits: Edits,
    taken: dict[tuple[int, str], Any],
) -> bool:
    """Turn changed cells into a person's decisions.

    Args:
        review: Where the decisions go.
        photos: Those of the rows.
        names: The attributes that are edited.
        edits: All changes since the editor was shown, as it reports them again and again.
        taken: Those that were taken over before; brought up to date.

    Returns:
        Whether a cell that was changed shows something else by now, as all of a row do after its
        tick was removed: an editor draws its own changes over what it is given.
    """
    for number, cells in edits.items():
        for column, cell in cells.items():
            if (number, column) in taken and taken[number, column] == cell:
                continue
            taken[number, column] = cell
            _decide(review, photos[number], names, column, cell)
    return any(
        row(photos[number], names)[column] != cell
        for number, cells in edits.items()
        for column, cell in cells.items()
    )


def _decide(
    review: Review, photo: ReviewedPhoto, names: Sequence[str], column: str, cell: Any
) -> None:
    if column != RIGHT:
        review.correct(photo.key, column, cell)
    elif cell:
        review.confirm(photo.key, [name for name in names if photo.tags[name].open])
    else:
        for name in names:
            review.reopen(photo.key, name)
