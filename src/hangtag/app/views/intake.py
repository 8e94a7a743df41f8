"""Photos in: drop, choose or paste them; then the progress of tagging them."""

import streamlit as st

from hangtag.app import session
from hangtag.app.uploads import Upload, unpack
from hangtag.app.views import parts
from hangtag.app.views.paste import paste_button
from hangtag.app.workspace import Workspace


def intake() -> None:
    """Show the uploader and the button to paste."""
    # A new key empties the uploader, which frees the memory that its files take.
    key = f"upload-{st.session_state.get('uploads', 0)}"

    def arrived() -> None:
        # The sitting that the page showed may have ended meanwhile, by Start over in another tab.
        workspace = session.workspace()
        for file in st.session_state[key]:
            workspace.receive(unpack(file.name, file))
        st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1

    st.file_uploader(
        "Drop photos here: one, many, or a zip of them",
        accept_multiple_files=True,
        key=key,
        on_change=arrived,
        help="They are read by this computer alone and deleted when you start over.",
    )

    def pasted(upload: Upload) -> None:
        session.workspace().receive([upload])

    paste_button(pasted)


def tag_waiting(workspace: Workspace) -> None:
    """Tag what waits, with a progress bar.

    Each step ends in the review, so that nothing is lost or done twice when the person clicks
    something else in the meantime.
    """
    if not workspace.waiting:
        return
    tagger = session.tagger()
    done = 0
    bar = st.progress(0.0)
    while waiting := workspace.waiting:
        total = done + waiting  # another tab of the same sitting may be adding photos
        bar.progress(
            done / total, f"Tagging {parts.plural(total, 'photo', 'photos')}: {done:,} done …"
        )
        done += workspace.tag_some(tagger)
    st.rerun()
