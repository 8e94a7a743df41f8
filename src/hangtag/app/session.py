"""What the pages of one browser tab share: the model and the sitting they work on."""

import os
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from hangtag.app.launch import MODEL_VARIABLE, PRECISION_VARIABLE
from hangtag.app.review import Review, ReviewedPhoto
from hangtag.app.workspace import Workspace, Workspaces
from hangtag.precision import DEFAULT

if TYPE_CHECKING:
    from hangtag.tagger import Tagger

TOKEN = "sitting"
"""Name of the query parameter that finds the sitting again after a reload."""


@st.cache_resource(show_spinner="Loading the model …")
def _load(model: str, precision: float) -> "Tagger":
    from hangtag.tagger import Tagger

    return Tagger(model, details=True, precision=precision)


def precision() -> float:
    """Share of accepted tags that are to be right, as the app was started with."""
    return float(os.environ.get(PRECISION_VARIABLE, DEFAULT))


def tagger() -> "Tagger":
    """Load the model that the app was started with, once for all sittings."""
    return _load(os.environ.get(MODEL_VARIABLE, "default"), precision())


@st.cache_resource
def _workspaces() -> Workspaces:
    return Workspaces()


def workspace() -> Workspace:
    """Find this tab's sitting, also after a reload, or begin one."""
    loaded = tagger()
    known = st.session_state.get(TOKEN) or st.query_params.get(TOKEN)
    review = Review(loaded.main_attributes, loaded.model.taxonomy)
    token, found = _workspaces().open(known, review)
    st.session_state[TOKEN] = token
    if st.query_params.get(TOKEN) != token:
        st.query_params[TOKEN] = token
    return found


def start_over() -> None:
    """End this tab's sitting: its photos and decisions are deleted."""
    _workspaces().close(st.session_state.pop(TOKEN))
    st.query_params.pop(TOKEN, None)


def steady(
    name: str, signature: Hashable, photos: Sequence[ReviewedPhoto], review: Review
) -> list[ReviewedPhoto]:
    """Keep a list's order and members while a person works through it.

    Decisions change what a filter finds and what is most doubtful; a list that jumped with each of
    them could not be worked through. It is made anew when its signature changes.
    """
    kept = st.session_state.get(name)
    if kept is None or kept[0] != signature:
        kept = (signature, [photo.key for photo in photos])
        st.session_state[name] = kept
    return [review.photos[key] for key in kept[1] if key in review.photos]
