"""Which photos a person wants to see."""

from dataclasses import dataclass
from typing import get_args

import streamlit as st

from hangtag.app.review import Review, ReviewedPhoto, Show
from hangtag.app.views import parts


@dataclass(frozen=True)
class Filter:
    """What was chosen; hashable, so that a list can be kept as long as it stays the same."""

    show: Show
    name: str
    values: tuple[tuple[str, tuple[str, ...]], ...]

    def find(self, review: Review) -> list[ReviewedPhoto]:
        """List the photos, the doubtful ones first."""
        return review.find(self.show, values=dict(self.values), name=self.name)


def choose(review: Review) -> Filter:
    """Show the filter's controls in a row and return what is chosen."""
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        show = st.pills(
            "Show",
            get_args(Show),
            default="all",
            required=True,
            format_func=str.capitalize,
            label_visibility="collapsed",
            key="show",
            persist_state="session",
        )
        with st.popover("Filter by tag", type="tertiary", icon=":material/filter_list:"):
            name = st.text_input("File name contains", key="name filter", persist_state="session")
            values = tuple(
                (attribute, tuple(_values(review, attribute))) for attribute in review.names
            )
        if name or any(some for _, some in values):
            st.button("Clear the filter", type="tertiary", on_click=_clear, args=(review.names,))
    return Filter(show or "all", name, values)


def _values(review: Review, attribute: str) -> list[str]:
    counts = dict(review.used(attribute))
    key = f"filter {attribute}"
    # A value that was corrected away may still be chosen here.
    for chosen in st.session_state.get(key, []):
        counts.setdefault(chosen, 0)
    return st.multiselect(
        parts.words(attribute),
        list(counts),
        format_func=lambda value: f"{value} ({counts.get(value, 0):,})",
        key=key,
        persist_state="session",
    )


def _clear(names: list[str]) -> None:
    st.session_state["name filter"] = ""
    for attribute in names:
        st.session_state[f"filter {attribute}"] = []
