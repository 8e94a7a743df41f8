"""The page that most people use: photos in, tags looked through, files out."""

import streamlit as st

from hangtag.app import session
from hangtag.app.views import parts
from hangtag.app.views.closer import closer
from hangtag.app.views.downloads import downloads
from hangtag.app.views.filters import choose
from hangtag.app.views.gallery import gallery
from hangtag.app.views.intake import intake, tag_waiting
from hangtag.app.views.table import table

_VIEWS = ["Photos", "One by one", "Table", "Download"]


def page() -> None:
    """Show the page."""
    workspace = session.workspace()
    review = workspace.review
    if len(review) == 0:
        st.html(
            parts.hero(
                "Tag product photos",
                "Drop your photos: each gets its tags in a moment, with a confidence that means "
                "what it says. Look through the doubtful ones, then download the table.",
            )
        )
        intake()
        tag_waiting(workspace)
        return
    with st.container(horizontal=True, vertical_alignment="center", key="views"):
        view = st.segmented_control(
            "View",
            _VIEWS,
            default=_VIEWS[0],
            required=True,
            label_visibility="collapsed",
            key="view",
            persist_state="session",
        )
        st.space("stretch")
        with st.popover("Add photos", icon=":material/add_photo_alternate:", width=160):
            intake()
        with st.popover("Start over", type="tertiary", icon=":material/delete:"):
            st.write("This deletes the photos and every decision about them.")
            st.button("Delete and start over", type="primary", on_click=session.start_over)
    tag_waiting(workspace)
    st.html(parts.summary(review.counts()))
    chosen = choose(review)
    if view == "One by one":
        closer(workspace, chosen)
    elif view == "Table":
        table(review, chosen)
    elif view == "Download":
        downloads(review, chosen.find(review))
    else:
        gallery(chosen.find(review))
