"""How many wrong labels an audit finds: `python -m benchmarks.planted_errors CATALOGUE`.

One label in twenty is replaced, in each attribute on its own: half of them by another label drawn
by its frequency, half by the label whose photos look most alike (the mistakes of people are not
random either). Recall is the share of the planted labels that the audit lists; precision is
the share of planted ones among those it lists, and a lower bound, for it also lists labels that
were wrong before. The labels of products that the model was trained on were right when it was;
so the numbers are also given for the products of the test part alone, which it has never seen.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hangtag.attributes import ANY_OF
from hangtag.audit import components, embed, suspicious
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.markdown import table
from hangtag.split import assign, product_groups
from hangtag.tagger import Tagger

SHARE = 0.05
HEADINGS = ("attribute", "labels", "planted", "listed", "recall", "precision", "right suggestion")


def nearest(features: np.ndarray, labels: Sequence[str | None]) -> dict[str, str]:
    """For each label the one whose mean features are nearest to its own."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        if label and ANY_OF not in label and np.isfinite(features[row, 0]):
            rows[label].append(row)
    names = sorted(rows)
    means = np.stack([features[rows[name]].mean(0) for name in names])
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return {name: names[at] for name, at in zip(names, apart.argmin(1), strict=True)}


def plant(labels: Sequence[str | None], alike: dict[str, str], seed: int) -> dict[int, str]:
    """Choose labels to replace, and by what.

    Args:
        labels: None where missing.
        alike: What a label may be taken for.
        seed: Makes the choice repeatable.

    Returns:
        The wrong label by its row; none where there are fewer than two labels to choose from.
    """
    dice = np.random.default_rng(seed)
    rows = [row for row, label in enumerate(labels) if label in alike]
    counts = Counter(str(labels[row]) for row in rows)
    values = sorted(counts)
    if len(values) < 2:
        return {}
    shares = np.array([counts[value] for value in values]) / len(rows)
    planted = {}
    for number, row in enumerate(dice.permutation(rows)[: round(SHARE * len(rows))].tolist()):
        right = str(labels[row])
        wrong = alike[right] if number % 2 else right
        while wrong == right:
            wrong = values[dice.choice(len(values), p=shares)]
        planted[row] = wrong
    return planted


def measure(catalogue: Catalogue, features: np.ndarray, seed: int) -> list[dict]:
    """Plant errors in each attribute, audit it, and count; for all rows and the test part."""
    groups = product_groups(catalogue)
    test = assign(catalogue) == "test"
    results = []
    for name in catalogue.attributes:
        labels = catalogue.labels(name)
        planted = plant(labels, nearest(features, labels), seed)
        spoilt = [planted.get(row, label) for row, label in enumerate(labels)]
        listed = {one.row: one.suggested for one in suspicious(features, spoilt, groups).labels}
        for part, rows in (("all", np.ones_like(test)), ("test", test)):
            there = {row for row in planted if rows[row]}
            found = there & listed.keys()
            results.append(
                {
                    "attribute": name,
                    "part": part,
                    "labels": sum(
                        bool(label) for label, has in zip(labels, rows, strict=True) if has
                    ),
                    "planted": len(there),
                    "listed": sum(bool(rows[row]) for row in listed),
                    "recall": len(found) / max(len(there), 1),
                    "precision": len(found) / max(sum(bool(rows[row]) for row in listed), 1),
                    "right suggestion": sum(listed[row] == labels[row] for row in found)
                    / max(len(found), 1),
                }
            )
    return results


def markdown(results: Sequence[dict], part: str) -> str:
    """Write the results of one part as a table."""
    return table(
        HEADINGS,
        (
            [
                f"{100 * one[key]:.0f} %" if isinstance(one[key], float) else one[key]
                for key in HEADINGS
            ]
            for one in results
            if one["part"] == part
        ),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    catalogue = read_catalogue(options.catalogue)
    features = components(embed(catalogue, Tagger(options.model)))
    results = measure(catalogue, features, options.seed)
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        for part in ("all", "test"):
            print(f"\n{part} products\n\n{markdown(results, part)}")


if __name__ == "__main__":
    main()
