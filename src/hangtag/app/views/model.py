"""What the model can do and how right it is."""

import streamlit as st

from hangtag.app import session
from hangtag.app.overview import data_sets, score_table
from hangtag.app.views import charts, parts


def page() -> None:
    """Show the page."""
    tagger = session.tagger()
    info = tagger.info
    values = sum(len(attribute.values) for attribute in tagger.attributes)
    st.html(
        parts.hero(
            info.name,
            f"Tags {parts.plural(len(tagger.attributes), 'attribute', 'attributes')} with "
            f"{values:,} values; sees photos at {info.input_size[1]} × {info.input_size[0]} "
            "pixels.",
        )
    )
    results = data_sets(info.numbers)
    if not results:
        st.info("This model folder holds no test results.", icon=":material/info:")
    for data_set, attributes in results.items():
        st.subheader(f"How right it is: {data_set}", divider="gray")
        charts.scores(score_table(attributes))
    st.subheader("On your own photos", divider="gray")
    judgement = session.workspace().judgement
    if judgement is not None:
        charts.judgement(judgement.numbers, key="model")
    else:
        st.write(
            "Open a catalogue of photos with labels on the page *Catalogue* and judge the model: "
            "its accuracy there, whether its confidence can be trusted, and what it confuses most."
        )
    st.subheader("What it can say", divider="gray")
    vocabularies()
    card = tagger.model.card
    if card:
        with st.expander("Model card", icon=":material/description:"):
            st.markdown(_without_front_matter(card))


def vocabularies() -> None:
    """List the values of an attribute that the person picks, with its thresholds."""
    tagger = session.tagger()
    by_name = {attribute.name: attribute for attribute in tagger.attributes}
    chosen = st.pills(
        "Attribute",
        list(by_name),
        default=next(iter(by_name)),
        required=True,
        format_func=lambda name: f"{parts.words(name)} · {len(by_name[name].values)}",
        label_visibility="collapsed",
        key="vocabulary",
    )
    attribute = by_name[chosen or next(iter(by_name))]
    threshold = tagger.info.calibration.threshold(attribute.name, session.precision())
    if threshold <= 1:
        st.caption(
            f"Accepted from a confidence of {parts.percent(threshold)}, for "
            f"{parts.percent(session.precision())} of the accepted to be right; else to review."
        )
    else:
        st.caption(
            f"Always to review: no confidence made {parts.percent(session.precision())} right."
        )
    st.dataframe({"value": attribute.values}, hide_index=True, height=280)


def _without_front_matter(card: str) -> str:
    """Drop the block of metadata between two lines of dashes that begins a model card."""
    if card.startswith("---\n") and "\n---\n" in card[4:]:
        return card[4:].split("\n---\n", 1)[1]
    return card
