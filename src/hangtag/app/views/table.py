"""Many photos at once: a table whose cells are drop-downs from the vocabulary."""

from typing import Any

import streamlit as st

from hangtag.app import session
from hangtag.app.grid import RIGHT, doubtful_first, row, take_over
from hangtag.app.review import Review, ReviewedPhoto
from hangtag.app.views import parts
from hangtag.app.views.filters import Filter
from hangtag.app.views.gallery import page_of

PER_PAGE = 40
_ALL = "all tags"
_ROW_HEIGHT = 64
_BEFORE = ("picture", "photo", RIGHT, "open")
_AFTER = ("confidence", "others", "decided by")


def table(review: Review, chosen: Filter) -> None:
    """Show the table, of one attribute or of all, the most doubtful photos first."""
    attribute = _which(review)
    names = review.names if attribute == _ALL else [attribute]
    order = (attribute, chosen, len(review), st.session_state.get("sorted", 0))
    found = doubtful_first(chosen.find(review), names)
    photos = session.steady("table rows", order, found, review)
    if not photos:
        st.info("No photo fits this filter.", icon=":material/filter_list_off:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Doubtful first again", icon=":material/sort:", on_click=_sort)
        st.caption("Choose another value in a cell, or tick **right** to confirm a row as it is.")
    shown = page_of(photos, PER_PAGE, "table page")
    key = f"table {hash((order, shown[0].key, _version()))}"
    st.session_state["table key"] = key
    _editor(review, shown, names, key)


def _version() -> int:
    """Number the editors; one that was left, as by another view or Start over, isn't come back to.

    What it had reported would keep the same edits from being taken over again.
    """
    last = st.session_state.get("table key")
    if last is not None and last not in st.session_state:
        st.session_state.pop(f"{last} taken over", None)
        _renew()
    return st.session_state.get("table version", 0)


def _renew() -> None:
    st.session_state["table version"] = st.session_state.get("table version", 0) + 1


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


def _sort() -> None:
    st.session_state["sorted"] = st.session_state.get("sorted", 0) + 1


def _editor(review: Review, photos: list[ReviewedPhoto], names: list[str], key: str) -> None:
    def edited() -> None:
        edits = st.session_state[key]["edited_rows"]
        taken = st.session_state.setdefault(f"{key} taken over", {})
        if take_over(review, photos, names, edits, taken):
            _renew()

    columns: dict[str, Any] = {
        "picture": st.column_config.ImageColumn("Photo", width=70, pinned=True),
        "photo": st.column_config.TextColumn("File", disabled=True, width=110),
        RIGHT: st.column_config.CheckboxColumn(
            "Right", help="Confirm the tags as they stand.", width=70
        ),
        "open": st.column_config.TextColumn("To review", disabled=True),
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
    rows = [_worded(row(photo, names)) for photo in photos]
    st.data_editor(
        rows,
        column_config=columns,
        column_order=[*_BEFORE, *names, *_AFTER],
        key=key,
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=min(44 + _ROW_HEIGHT * len(photos), 720),
        on_change=edited,
        placeholder="none",
    )


def _worded(cells: dict[str, Any]) -> dict[str, Any]:
    """Write what the table only shows as a person would."""
    if "open" in cells:
        return {**cells, "open": ", ".join(parts.words(name) for name in cells["open"])}
    others = [f"{value} {parts.percent(confidence)}" for value, confidence in cells["others"]]
    return {**cells, "others": ", ".join(others)}
