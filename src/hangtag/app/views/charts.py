"""Charts that take the page's theme."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars
import streamlit as st

from hangtag.app.overview import score_table
from hangtag.app.views import parts

_ROW = 24  # pixels per bar
SHARES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "top5": "Among first 5",
    "coverage_95": "Tagged at 95 %",
    "coverage_99": "Tagged at 99 %",
    "ece": "Calibration error",
}
"""Of `hangtag.evaluation.METRICS` those that are shares, 0 to 1, and how they are called."""


def scores(rows: Sequence[Mapping[str, Any]]) -> None:
    """Show a table of scores, an attribute per row; shares as bars."""
    columns: dict[str, Any] = {"attribute": st.column_config.TextColumn("Attribute", pinned=True)}
    for metric in dict.fromkeys(key for row in rows for key in row if key != "attribute"):
        if metric in SHARES:
            columns[metric] = st.column_config.ProgressColumn(
                SHARES[metric], min_value=0, max_value=1, format="percent"
            )
        else:
            columns[metric] = st.column_config.NumberColumn(parts.words(metric), format="localized")
    shown = [{**row, "attribute": parts.words(row["attribute"])} for row in rows]
    st.dataframe(shown, column_config=columns, hide_index=True)


def reliability(bins: Sequence[Mapping[str, float]]) -> None:
    """Show how often the model is right against how sure it is; the diagonal is what it should be.

    Args:
        bins: Each with ``confidence``, ``accuracy`` (0 to 1) and ``photos``.
    """
    table = polars.DataFrame(list(bins))
    axis = alt.Axis(format="%")
    scale = alt.Scale(domain=[0, 1])
    points = (
        alt.Chart(table)
        .mark_circle(opacity=0.9)
        .encode(
            x=alt.X("confidence", title="How sure it is", axis=axis, scale=scale),
            y=alt.Y("accuracy", title="How often it is right", axis=axis, scale=scale),
            size=alt.Size("photos", title="Photos", legend=None, scale=alt.Scale(range=[40, 500])),
            tooltip=[
                alt.Tooltip("confidence", format=".0%"),
                alt.Tooltip("accuracy", format=".0%"),
                "photos",
            ],
        )
    )
    ideal = (
        alt.Chart(polars.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]}))
        .mark_line(strokeDash=[5, 5], color="gray", opacity=0.7)
        .encode(x="x", y="y")
    )
    st.altair_chart(ideal + points)


def confused(pairs: Sequence[Mapping[str, Any]]) -> None:
    """List the commonest errors.

    Args:
        pairs: Each with ``actual``, ``predicted`` and ``photos``.
    """
    st.dataframe(
        [dict(pair) for pair in pairs],
        column_config={
            "actual": "It is",
            "predicted": "The model says",
            "photos": st.column_config.ProgressColumn(
                "Photos",
                format="%d",
                min_value=0,
                max_value=max((pair["photos"] for pair in pairs), default=1),
            ),
        },
        hide_index=True,
    )


def judgement(numbers: Mapping[str, Any], key: str) -> None:
    """Show how right a model was: scores; of one attribute that the person picks, the details.

    Args:
        numbers: As from `hangtag.verdict.Evaluation.numbers`.
        key: Tells the widgets of several judgements apart.
    """
    detailed = numbers["attributes"]
    st.markdown(
        f"**Judged on {parts.plural(numbers['photos'], 'photo', 'photos')} of "
        f"{parts.plain(numbers['catalogue'])}**"
    )
    scores(score_table(detailed))
    chosen = st.pills(
        "Attribute",
        list(detailed),
        default=next(iter(detailed)),
        required=True,
        format_func=parts.words,
        key=f"{key} attribute",
    )
    found = detailed[chosen or next(iter(detailed))]
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Can its confidence be trusted?**")
        if found.get("reliability"):
            reliability(found["reliability"])
            st.caption("On the dashed line it is right exactly as often as it says.")
    with right:
        st.markdown("**Most confused**")
        if found.get("confused"):
            confused(found["confused"])
        else:
            st.caption("It confused nothing.")


def counts(table: polars.DataFrame, *, limit: int = 40) -> None:
    """Show products per value as bars, the most frequent ones."""
    shown = table.head(limit)
    chart = (
        alt.Chart(shown)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("products", title="Products"),
            y=alt.Y(
                "value", title=None, sort="-x", axis=alt.Axis(labelLimit=220, labelOverlap=False)
            ),
            tooltip=["value", alt.Tooltip("products", format=",")],
        )
        .properties(height=alt.Step(_ROW))
    )
    st.altair_chart(chart)
    if table.height > limit:
        st.caption(f"The {limit} most frequent of {table.height:,} values.")


def pairs(table: polars.DataFrame, first: str, second: str) -> None:
    """Show products per pair of values as a heat map on a logarithmic scale."""
    chart = (
        alt.Chart(table)
        .mark_rect()
        .encode(
            x=alt.X(
                "second", title=parts.words(second), axis=alt.Axis(labelLimit=140, labelAngle=-45)
            ),
            y=alt.Y("first", title=parts.words(first), axis=alt.Axis(labelLimit=140)),
            color=alt.Color("products", title="Products", scale=alt.Scale(type="log")),
            tooltip=["first", "second", alt.Tooltip("products", format=",")],
        )
        .properties(height=alt.Step(_ROW))
    )
    st.altair_chart(chart)
