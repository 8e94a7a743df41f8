"""One photo at a time: large, with a heat map, each tag to confirm or correct."""

from typing import Any

import streamlit as st

from hangtag.app import session
from hangtag.app.review import Review, ReviewedPhoto, ReviewedTag
from hangtag.app.views import parts
from hangtag.app.views.filters import Filter
from hangtag.app.workspace import Workspace
from hangtag.photo import PhotoError

_UNLIKELY = 0.01
"""The model's guesses of which it is less sure get no button of their own."""


def closer(workspace: Workspace, chosen: Filter) -> None:
    """Show the current photo of the filtered list, the most doubtful first."""
    review = workspace.review
    photos = [
        photo
        for photo in session.steady("queue", (chosen, len(review)), chosen.find(review), review)
        if photo.error is None
    ]
    if not photos:
        st.info("No photo fits this filter.", icon=":material/filter_list_off:")
        return
    keys = [photo.key for photo in photos]
    current = st.session_state.get("current")
    position = keys.index(current) if current in keys else 0
    photo = photos[position]
    _steps(keys, position, photo)
    picture, tags = st.columns([5, 6], gap="large")
    with picture, st.container(key="closer-photo"):
        _picture(workspace, photo)
    with tags:
        _tags(review, photo, keys[min(position + 1, len(keys) - 1)])


def _steps(keys: list[str], position: int, photo: ReviewedPhoto) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            disabled=position == 0,
            on_click=_go,
            args=(keys[max(position - 1, 0)],),
            shortcut="Left",
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=position == len(keys) - 1,
            on_click=_go,
            args=(keys[min(position + 1, len(keys) - 1)],),
            shortcut="Right",
        )
        st.markdown(
            f"**{parts.plain(photo.name)}** &nbsp; :gray[{position + 1:,} of {len(keys):,}]"
        )


def _go(key: str) -> None:
    st.session_state["current"] = key


def _picture(workspace: Workspace, photo: ReviewedPhoto) -> None:
    attribute = st.session_state.get("explained")
    try:
        if attribute in photo.tags:
            tag = photo.tags[attribute]
            shown: Any = workspace.explained(photo, session.tagger(), attribute, tag.value)
            captions = [
                f"Where the network looked for {parts.words(attribute)}: {tag.value or 'none'}"
            ]
        else:
            shown, captions = workspace.large_picture(photo), []
    except PhotoError as error:
        st.error(str(error))
        return
    if photo.turned:
        captions.append(f"Turned by {photo.turned}° to be upright")
    st.image(shown, caption="; ".join(captions) or None, width="stretch", alt=photo.name)
    st.pills(
        "Where did the network look?",
        list(photo.tags),
        format_func=parts.words,
        key="explained",
        persist_state="session",
        help="Choose a tag to see which part of the photo spoke for it.",
    )


def _tags(review: Review, photo: ReviewedPhoto, following: str) -> None:
    if photo.known_product is False:
        st.warning(parts.UNKNOWN_PRODUCT, icon=":material/help:")
    doubtful = photo.open_attributes
    st.button(
        "All tags are right, next photo" if doubtful else "Next photo, all is settled",
        key="settle",
        type="primary",
        icon=":material/check:",
        shortcut="Ctrl+Enter",
        on_click=_settle,
        args=(review, photo.key, following),
        width="stretch",
    )
    for attribute in [*doubtful, *(name for name in photo.tags if name not in doubtful)]:
        with st.container(border=attribute in doubtful, gap="xsmall"):
            _tag(review, photo, attribute)
    if photo.details:
        st.caption(
            "  \n".join(
                f"{parts.words(name)}: **{parts.plain(tag.suggestion.value)}** "
                f"{parts.percent(tag.suggestion.confidence)}"
                for name, tag in photo.details.items()
            )
        )


def _tag(review: Review, photo: ReviewedPhoto, attribute: str) -> None:
    tag = photo.tags[attribute]
    confidence = tag.guesses
    options = [*confidence, *(v for v in review.vocabulary(attribute) if v not in confidence)]
    key = f"value {photo.key} {attribute}"

    def label(value: str) -> str:
        return f"{value} · {parts.percent(confidence[value])}" if value in confidence else value

    def changed() -> None:
        review.correct(photo.key, attribute, st.session_state[key])

    # The widget follows the review, which other views and the taxonomy change too.
    st.session_state[key] = tag.value
    st.selectbox(
        f"{parts.words(attribute)} {_badge(tag)}",
        options,
        format_func=label,
        key=key,
        on_change=changed,
        placeholder="none",
    )
    if tag.open:
        with st.container(horizontal=True, gap="xsmall"):
            for guess, share in confidence.items():
                if share < _UNLIKELY:
                    continue
                st.button(
                    label(guess),
                    key=f"guess {photo.key} {attribute} {guess}",
                    icon=":material/check:" if guess == tag.suggestion.value else None,
                    on_click=review.correct,
                    args=(photo.key, attribute, guess),
                )
    elif tag.decided_by == "person":
        st.button(
            "Take back",
            key=f"reopen {photo.key} {attribute}",
            type="tertiary",
            icon=":material/undo:",
            on_click=review.reopen,
            args=(photo.key, attribute),
        )


def _badge(tag: ReviewedTag) -> str:
    if tag.open:
        return ":orange-badge[please review]"
    if tag.decided_by == "person":
        return (
            ":green-badge[corrected by you]" if tag.corrected else ":green-badge[confirmed by you]"
        )
    return ""


def _settle(review: Review, key: str, following: str) -> None:
    review.confirm(key)
    st.session_state["current"] = following
