"""Numbers for the pages on the model and on a catalogue: plain tables for charts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

    from hangtag.catalogue import Catalogue

MISSING = "(missing)"
"""What a missing label is called in charts."""


def score_table(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lay scores out as rows, one per attribute: its name and every number, nested ones named flat.

    Args:
        attributes: By attribute, a mapping of metric to number, or to a mapping whose ``value`` is
            the number; the key ``scores`` of a judgement may hold them. Whatever else it holds
            (lists, texts) is left out.
    """
    rows = []
    for name, found in attributes.items():
        scores = found.get("scores", found) if isinstance(found, Mapping) else {"value": found}
        row: dict[str, Any] = {"attribute": name}
        for metric, score in scores.items():
            number = score.get("value") if isinstance(score, Mapping) else score
            if isinstance(number, int | float) and not isinstance(number, bool):
                row[metric] = number
        rows.append(row)
    return [row for row in rows if len(row) > 1]


def data_sets(numbers: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Find the results by attribute in a model's ``numbers``, for each data set they are about."""
    return {
        data_set: results
        for data_set, results in numbers.items()
        if isinstance(results, Mapping) and score_table(results)
    }


def value_counts(catalogue: "Catalogue", attribute: str) -> "polars.DataFrame":
    """Count the values of an attribute: columns ``value`` and ``products``, most frequent first."""
    import polars

    return (
        catalogue.table.select(polars.col(attribute).fill_null(MISSING).alias("value"))
        .group_by("value")
        .len("products")
        .sort(["products", "value"], descending=[True, False])
    )


def cross_table(
    catalogue: "Catalogue", first: str, second: str, *, limit: int = 25
) -> "polars.DataFrame":
    """Count the pairs of two attributes' values, of the ``limit`` most frequent of each.

    Returns:
        Columns ``first``, ``second`` (values) and ``products``; pairs that occur only.
    """
    import polars

    kept = {
        name: value_counts(catalogue, name)["value"].head(limit).implode()
        for name in (first, second)
    }
    return (
        catalogue.table.select(
            polars.col(first).fill_null(MISSING).alias("first"),
            polars.col(second).fill_null(MISSING).alias("second"),
        )
        .filter(polars.col("first").is_in(kept[first]), polars.col("second").is_in(kept[second]))
        .group_by("first", "second")
        .len("products")
        .sort("products", descending=True)
    )
