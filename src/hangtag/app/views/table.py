"""Many photos at once: a table whose cells are drop-downs from the vocabulary."""

from typing import Any

import streamlit as st

from hangtag.app import session
from hangtag.app.pictures import data_uri
from hangtag.app.review import Review, ReviewedPhoto
from hangtag.app.views import parts
from hangtag.app.views.filters import Filter
from hangtag.app.views.gallery import page_of

PER_PAGE = 40
_ALL = "all tags"
_RIGHT = "all right"
_ROW_HEIGHT = 64


def table(review: Review, chosen: Filter) -> None:
    """Show the table, of one attribute or of all, the most doubtful photos first."""
    attribute = _which(review)
    names = review.names if attribute == _ALL else [attribute]
    order = (attribute, chosen, len(review), st.session_state.get("sorted", 0))
    photos = session.steady("table rows", order, _doubtful_first(review, chosen, names), review)
    photos = [photo for photo in photos if photo.error is None]
    if not photos:
        st.info("No photo fits this filter.", icon=":material/filter_list_off:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Doubtful first again", icon=":material/sort:", on_click=_sort)
        st.caption("Choose another value in a cell, or tick **right** to confirm a row as it is.")
    shown = page_of(photos, PER_PAGE, "table page")
    _editor(review, shown, names, key=f"table {hash((order, shown[0].key, _version()))}")


def _which(review: Review) -> str:
    open_counts = review.open_counts()

    def label(name: str) -> str:
        if name == _ALL:
            return "All tags"
        return parts.words(name) + (f" · {open_counts[name]:,}" if open_counts[name] else "")

    return (
        st.pills(
            "Attribute, with its number of tags to review",
            [_ALL, *review.names],
            default=_ALL,
            required=True,
            format_func=label,
            key="table attribute",
            persist_state="session",
        )
        or _ALL
    )


def _doubtful_first(review: Review, chosen: Filter, names: list[str]) -> list[ReviewedPhoto]:
    def doubt(photo: ReviewedPhoto) -> float:
        tags = [photo.tags[name] for name in names if name in photo.tags]
        return max((1 - tag.suggestion.confidence for tag in tags if tag.open), default=0)

    return sorted(chosen.find(review), key=doubt, reverse=True)


def _sort() -> None:
    st.session_state["sorted"] = st.session_state.get("sorted", 0) + 1


def _version() -> int:
    return st.session_state.get("table version", 0)


def _editor(review: Review, photos: list[ReviewedPhoto], names: list[str], key: str) -> None:
    def edited() -> None:
        _apply(review, photos, names, key)

    single = names[0] if len(names) == 1 else None
    columns: dict[str, Any] = {
        "picture": st.column_config.ImageColumn("Photo", width=70, pinned=True),
        "photo": st.column_config.TextColumn("File", disabled=True, width="small"),
        "open": st.column_config.TextColumn("To review", disabled=True),
        _RIGHT: st.column_config.CheckboxColumn("Right", help="Confirm the tags as they stand."),
        "confidence": st.column_config.ProgressColumn(
            "Confidence", min_value=0, max_value=1, format="percent"
        ),
        "others": st.column_config.TextColumn("The model’s other guesses", disabled=True),
        "decided by": st.column_config.TextColumn("Decided by", disabled=True, width="small"),
    }
    for name in names:
        columns[name] = st.column_config.SelectboxColumn(
            parts.words(name), options=list(review.vocabulary(name)), width="small"
        )
    st.data_editor(
        [_row(photo, names, single) for photo in photos],
        column_config=columns,
        key=key,
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=min(44 + _ROW_HEIGHT * len(photos), 720),
        on_change=edited,
        placeholder="none",
    )


def _row(photo: ReviewedPhoto, names: list[str], single: str | None) -> dict[str, Any]:
    doubtful = [name for name in names if name in photo.open_attributes]
    row: dict[str, Any] = {
        "picture": data_uri(photo.thumbnail or b""),
        _RIGHT: not doubtful,
    }
    if single is None:
        row["open"] = ", ".join(parts.words(name) for name in doubtful)
        row |= {name: photo.tags[name].value for name in names}
    else:
        tag = photo.tags[single]
        row[single] = tag.value
        row["confidence"] = tag.suggestion.confidence
        row["others"] = ", ".join(
            f"{other.value} {parts.percent(other.confidence)}"
            for other in tag.suggestion.alternatives
        )
        row["decided by"] = "open" if tag.open else tag.decided_by
    row["photo"] = photo.name
    return row


def _apply(review: Review, photos: list[ReviewedPhoto], names: list[str], key: str) -> None:
    """Take over what changed in the table since the last time."""
    edits: dict[int, dict[str, Any]] = st.session_state[key]["edited_rows"]
    known = st.session_state.setdefault(f"{key} taken over", {})
    for number, cells in edits.items():
        photo = photos[number]
        for column, cell in cells.items():
            if (number, column) in known and known[number, column] == cell:
                continue
            known[number, column] = cell
            if column != _RIGHT:
                review.correct(photo.key, column, cell)
            elif cell:
                review.confirm(photo.key, set(names) & set(photo.open_attributes))
            else:
                for name in names:
                    review.reopen(photo.key, name)
    if _overtaken(photos, names, edits):
        # The table draws its own edits over what it is given: begin it anew.
        st.session_state["table version"] = _version() + 1


def _overtaken(
    photos: list[ReviewedPhoto], names: list[str], edits: dict[int, dict[str, Any]]
) -> bool:
    single = names[0] if len(names) == 1 else None
    return any(
        _row(photos[number], names, single)[column] != cell
        for number, cells in edits.items()
        for column, cell in cells.items()
    )
