"""The script that Streamlit runs for every visit: settings that all pages share, then the page."""

from pathlib import Path

import streamlit as st

from hangtag.app import session
from hangtag.app.views import catalogue, model, tag
from hangtag.errors import HangtagError

_HERE = Path(__file__).parent


def main() -> None:
    """Show the page that the address names."""
    st.set_page_config(page_title="hangtag", page_icon=_HERE / "icon.svg", layout="wide")
    st.html(_HERE / "style.css")
    st.logo(_HERE / "logo.svg", size="large")
    try:
        session.tagger()
    except HangtagError as error:
        st.error(str(error), icon=":material/error:")
        return
    pages = [
        st.Page(tag.page, title="Tag photos", icon=":material/sell:", url_path="tag", default=True),
        st.Page(catalogue.page, title="Catalogue", icon=":material/table:", url_path="catalogue"),
        st.Page(model.page, title="Model", icon=":material/insights:", url_path="model"),
    ]
    st.navigation(pages, position="top").run()


main()
