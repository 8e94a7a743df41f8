"""A catalogue of one's own: what is in it, what is wrong with it, how the model does on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from hangtag.app import session
from hangtag.app.overview import cross_table, value_counts
from hangtag.app.views import charts, parts
from hangtag.app.workspace import Workspace
from hangtag.catalogue import Catalogue
from hangtag.errors import HangtagError, require

_SHOWN_PROBLEMS = 500


def page() -> None:
    """Show the page."""
    workspace = session.workspace()
    st.html(
        parts.hero(
            "Explore a catalogue",
            "A zip with a table and its photos, in the layout of the public data set or any other "
            "with a column of photos, or a table alone. See what is in it and what is wrong with "
            "it, and how right the model is about it.",
        )
    )
    catalogue = workspace.catalogue
    if catalogue is None:
        _uploader()
        return
    with st.popover("Another catalogue", icon=":material/upload:", width=200):
        _uploader()
    st.html(parts.catalogue_summary(catalogue))
    names = ["Values", "Pairs", "Products", "Problems", "Report", "Judge the model"]
    views = [_values, _pairs, _products, _problems, _report, _judge]
    chosen = st.segmented_control(
        "View",
        names,
        default=names[0],
        required=True,
        label_visibility="collapsed",
        key="catalogue view",
        persist_state="session",
    )
    views[names.index(chosen or names[0])](workspace, catalogue)


def _uploader() -> None:
    key = f"catalogue-{st.session_state.get('catalogues', 0)}"

    def arrived() -> None:
        st.session_state["catalogues"] = st.session_state.get("catalogues", 0) + 1
        file = st.session_state[key]
        if file is None:
            return
        st.session_state.pop("catalogue error", None)
        try:
            session.workspace().open_catalogue(file.name, file)
        except HangtagError as error:
            st.session_state["catalogue error"] = str(error)

    st.file_uploader(
        "Drop a catalogue here: .zip, .csv, .tsv, .parquet or .jsonl",
        key=key,
        on_change=arrived,
        help="It is read by this computer alone and deleted when you start over.",
    )
    if "catalogue error" in st.session_state:
        st.error(st.session_state["catalogue error"], icon=":material/error:")


def _values(_: Workspace, catalogue: Catalogue) -> None:
    attribute = _pick("Attribute", catalogue.attributes, "catalogue attribute")
    if attribute:
        charts.counts(value_counts(catalogue, attribute))


def _pairs(_: Workspace, catalogue: Catalogue) -> None:
    if len(catalogue.attributes) < 2:
        st.info("This needs two attributes.", icon=":material/info:")
        return
    left, right = st.columns(2)
    with left:
        first = _pick("Rows", catalogue.attributes, "first attribute")
    with right:
        others = [name for name in catalogue.attributes if name != first]
        second = _pick("Columns", others, "second attribute")
    if first and second:
        charts.pairs(cross_table(catalogue, first, second), first, second)


def _pick(label: str, attributes: list[str], key: str) -> str | None:
    if not attributes:
        st.info("This catalogue has no attributes.", icon=":material/info:")
        return None
    return st.selectbox(label, attributes, format_func=parts.words, key=key)


def _products(_: Workspace, catalogue: Catalogue) -> None:
    st.dataframe(catalogue.table, hide_index=True, height=560)


def _problems(_: Workspace, catalogue: Catalogue) -> None:
    if not catalogue.problems:
        st.success("No problems found.", icon=":material/check_circle:")
        return
    shown = catalogue.problems[:_SHOWN_PROBLEMS]
    st.dataframe(
        [
            {"kind": one.kind, "line": one.line, "photo": one.photo, "what": one.message}
            for one in shown
        ],
        column_config={"what": st.column_config.TextColumn("what", width="large")},
        hide_index=True,
    )
    if len(shown) < len(catalogue.problems):
        st.caption(f"The first {len(shown)} of {len(catalogue.problems):,}.")


def _report(workspace: Workspace, catalogue: Catalogue) -> None:
    st.write(
        "What `hangtag explore` finds: missing labels, contradictions, sizes of photos, copies. "
        "It reads every photo."
    )
    if st.button("Look through the catalogue", type="primary", icon=":material/search:"):
        bar = st.progress(0.0)

        def tell(done: int, total: int) -> None:
            bar.progress(done / total if total else 0.0, f"{done:,} of {total:,} photos")

        with _shown_errors():
            require("report", "cleanlab")
            from hangtag.exploration import explore

            workspace.exploration = explore(catalogue, progress=tell)
        bar.empty()
    found = workspace.exploration
    if found is None:
        return
    st.markdown("\n".join(f"- {parts.plain(sentence)}" for sentence in found.summary))

    def html() -> bytes:
        from hangtag.reports import explore

        return explore.page(found, catalogue).encode()

    _download("Download the report", html, "explored.html")


def _judge(workspace: Workspace, catalogue: Catalogue) -> None:
    st.write(
        "Tags every labelled photo and holds the tags against the labels. On photos that the model "
        "learnt from, the numbers flatter it."
    )
    if st.button("Judge the model", type="primary", icon=":material/balance:"):
        bar = st.progress(0.0)

        def tell(what: str, done: int, total: int) -> None:
            bar.progress(done / total if total else 0.0, f"{what}: {done:,} of {total:,}")

        with _shown_errors():
            require("report", "scipy")
            from hangtag.judge import evaluate

            workspace.judgement = evaluate(session.tagger(), catalogue, split="all", progress=tell)
        bar.empty()
    found = workspace.judgement
    if found is None:
        return
    charts.judgement(found.numbers, key="judged")

    def html() -> bytes:
        from hangtag.reports.evaluate import report_html

        return report_html([found]).encode()

    _download("Download the report", html, "judged.html")


def _download(label: str, data: Callable[[], bytes], name: str) -> None:
    st.download_button(
        label, data, name, "text/html", icon=":material/download:", on_click="ignore"
    )


@contextmanager
def _shown_errors() -> Iterator[None]:
    try:
        yield
    except HangtagError as error:
        st.error(str(error), icon=":material/error:")
