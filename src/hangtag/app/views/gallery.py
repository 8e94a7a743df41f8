"""All photos as cards."""

import streamlit as st

from hangtag.app.review import ReviewedPhoto
from hangtag.app.views import parts

PER_PAGE = 24


def gallery(photos: list[ReviewedPhoto]) -> None:
    """Show cards, a page of them at a time."""
    if not photos:
        st.info("No photo fits this filter.", icon=":material/filter_list_off:")
        return
    st.html(parts.legend())
    shown = page_of(photos, PER_PAGE, "gallery page")
    with st.grid(min_column_width=210, gap="small", key="gallery"):
        for photo in shown:
            with st.container(border=True, height="stretch"):
                st.html(parts.card(photo))
                if photo.error is None:
                    st.button(
                        "Look closer",
                        key=f"closer {photo.key}",
                        icon=":material/zoom_in:",
                        width="stretch",
                        on_click=_look_closer,
                        args=(photo.key,),
                    )


def page_of(photos: list[ReviewedPhoto], size: int, key: str) -> list[ReviewedPhoto]:
    """Show page numbers when there are more photos than fit, and return those of the page."""
    pages = -(-len(photos) // size)
    if pages <= 1:
        return photos
    # Shorter lists have fewer pages than the one that was looked at.
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = pages
    page = st.pagination(pages, key=key, persist_state="session")
    return photos[(page - 1) * size : page * size]


def _look_closer(key: str) -> None:
    st.session_state["current"] = key
    st.session_state["view"] = "One by one"
