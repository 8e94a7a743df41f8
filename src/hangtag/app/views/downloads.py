"""Everything out: tables, and a catalogue to train with."""

import tempfile
from collections.abc import Callable

import streamlit as st

from hangtag.app import exports
from hangtag.app.review import Review, ReviewedPhoto
from hangtag.app.views import parts

_CHOICES: dict[exports.Labels, str] = {
    "settled": "All settled tags: the model’s accepted ones and mine",
    "person": "Only the tags that I confirmed or corrected",
}


def downloads(review: Review, photos: list[ReviewedPhoto]) -> None:
    """Offer the photos that the filter left as files."""
    names = review.names
    still_open = sum(len(photo.open_attributes) for photo in photos)
    which = parts.plural(len(photos), "photo", "photos")
    if len(photos) < len(review):
        which += f" of {len(review):,}, as filtered above"
    st.markdown(f"**{which}.** Every tag says who decided it: the model or a person.")
    if still_open:
        st.caption(
            f"{parts.plural(still_open, 'tag is', 'tags are')} still open; "
            "the files mark them with *review*."
        )
    with st.grid(3, min_column_width=240, key="files"):
        _file("CSV", "For any table program or script.", "tags.csv", "text/csv",
              lambda: exports.to_csv(photos, names))  # fmt: skip
        _file("Excel", "Open tags amber, your decisions green.", "tags.xlsx",
              "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
              lambda: exports.to_excel(photos, names))  # fmt: skip
        _file("JSON", "As the API and the command line write it.", "tags.json", "application/json",
              lambda: exports.to_json(photos))  # fmt: skip
    st.subheader("Teach the model your corrections")
    st.write(
        "A catalogue of these photos with their tags, as a zip. Train a model with it, alone or "
        "beside your own catalogue: `hangtag train catalogue.zip -o my-model`"
    )
    labels = st.radio(
        "Which tags", list(_CHOICES), format_func=_CHOICES.__getitem__, key="catalogue labels"
    )
    if gone := exports.missing(photos):
        st.warning(
            f"The catalogue leaves {parts.plural(len(gone), 'photo', 'photos')} out, whose files "
            f"are gone ({parts.plain(gone[0].name)}{', …' if len(gone) > 1 else ''}); "
            "add them again.",
            icon=":material/warning:",
        )
    st.download_button(
        "Download the catalogue",
        lambda: _catalogue(photos, names, labels),
        "catalogue.zip",
        "application/zip",
        icon=":material/school:",
        on_click="ignore",
    )


def _file(name: str, text: str, file_name: str, mime: str, data: Callable[[], bytes]) -> None:
    with st.container(border=True):
        st.markdown(f"**{name}**")
        st.caption(text)
        st.download_button(
            f"Download {name}",
            data,
            file_name,
            mime,
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )


def _catalogue(photos: list[ReviewedPhoto], names: list[str], labels: exports.Labels) -> bytes:
    with tempfile.TemporaryFile() as file:
        exports.write_catalogue(photos, names, file, labels=labels)
        file.seek(0)
        return file.read()
