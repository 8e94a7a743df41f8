"""How far a model would get without its own faults: `python -m benchmarks.ceilings CATALOGUE`.

`verdicts.csv` holds what was said, in two passes, of wrong tags on test products (``all`` were
drawn from all errors, ``surest`` from those among the surest three quarters, by
`benchmarks.error_sheets`) and of wrong types of phone photos (``phones``): whether the label is
wrong, both can be argued for, or the model is plainly wrong. A verdict holds for as long as a model
says the same of that product. Errors that nobody looked at count as the model's own as often as
those of their kind that were.

It's no hard ceiling: where both answers can be defended, a better model may more often guess the
one that the catalogue took.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from hangtag.attributes import COLOUR_GROUPS, TYPE, colour_group
from hangtag.evaluation import scores
from hangtag.judge import COLOUR, evaluate
from hangtag.verdict import COLOUR_GROUP, Evaluation, Judged

VERDICTS = Path(__file__).parent / "verdicts.csv"
OWN = "model"
"""The verdict that an error is plainly the model's."""

PRODUCTS, PHONES = ("all", "surest"), ("phones",)
SUREST = 0.75
ROUNDS, SEED = 100, 0

Passes = tuple[str, str]


def passes(attribute: str, samples: Sequence[str]) -> dict[tuple[str, str], Passes]:
    """Both verdicts by product and what was said of it."""
    table = pl.read_csv(VERDICTS, schema_overrides={"id": pl.String})
    chosen = table.filter(pl.col("attribute") == attribute, pl.col("sample").is_in(samples))
    return {(row["id"], row["says"]): (row["first"], row["second"]) for row in chosen.to_dicts()}


def own_shares(found: Evaluation, name: str, samples: Sequence[str]) -> np.ndarray:
    """How probable it is that each photo's tag is wrong by the model's own fault: float (N,)."""
    judged = found.judged[name]
    wrong = judged.known & ~judged.right
    shares = np.zeros(len(wrong))
    ids = found.catalogue.table["id"].gather(found.rows).to_list()
    values = judged.attribute.values
    said = passes(name, samples)
    looked_at = np.full(len(wrong), np.nan)
    for at in np.flatnonzero(wrong).tolist():
        verdicts = said.get((ids[at], values[judged.predicted[at]]))
        if verdicts:
            looked_at[at] = np.mean([verdict == OWN for verdict in verdicts])
    kinds = _kinds(judged, name)
    for kind in np.unique(kinds[wrong]):
        here = wrong & (kinds == kind)
        known = looked_at[here]
        # A kind of which none was looked at is taken to be like all.
        mean = np.nanmean(known if np.isfinite(known).any() else looked_at)
        shares[here] = np.where(np.isfinite(known), known, mean)
    return shares


def _kinds(judged: Judged, name: str) -> np.ndarray:
    """What errors are told apart by: whether the model was sure, and of colours their groups."""
    kinds = (judged.confidence >= np.quantile(judged.confidence, 1 - SUREST)).astype(int)
    return kinds + 2 * _group_right(judged) if name == COLOUR else kinds


def _group_right(colours: Judged) -> np.ndarray:
    groups = np.array([[*COLOUR_GROUPS].index(colour_group(v)) for v in colours.attribute.values])
    return (colours.truths & (groups == groups[colours.predicted][:, None])).any(axis=1)


def mended(judged: Judged, own: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Probabilities (N, C) with some errors mended, each as often as it is the model's own."""
    rows = np.flatnonzero(dice.random(len(own)) < own)
    probabilities = judged.probabilities.copy()
    truth = np.where(judged.truths[rows], probabilities[rows], -1).argmax(axis=1)
    predicted = judged.predicted[rows]
    probabilities[rows, truth] = judged.probabilities[rows, predicted]
    probabilities[rows, predicted] = judged.probabilities[rows, truth]
    return probabilities


def main() -> None:
    """Print a table, and what follows from it."""
    parser = argparse.ArgumentParser(prog="benchmarks.ceilings", description=__doc__)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument("--phones", type=Path, metavar="CATALOGUE", help="the phone photos")
    typed = parser.parse_args()
    found = evaluate(typed.model, typed.catalogue)
    print("| | errors | label | arguable | model | same | right | without its own errors |")
    print(f"|---{'|--:' * 7}|")
    own: dict[str, np.ndarray] = {}
    for name, judged in found.judged.items():
        if name != COLOUR_GROUP:
            own[name] = own_shares(found, name, PRODUCTS)
            print(f"| {name} | {_counted(name, PRODUCTS[:1])} | {_right(judged, own[name])} |")
    for split in ("test", "validation") if typed.phones else ():
        phones = evaluate(typed.model, typed.phones, split=split)
        right = _right(phones.judged[TYPE], own_shares(phones, TYPE, PHONES))
        print(f"| {TYPE}, {split} phone photos | {_counted(TYPE, PHONES)} | {right} |")
    colours = found.judged[COLOUR]
    wrong_group = colours.known & ~_group_right(colours)
    print(f"\ncolour groups: {100 * (1 - (wrong_group * (1 - own[COLOUR])).mean()):.1f} %")
    each = [np.where(found.judged[name].right, 1, shares) for name, shares in own.items()]
    print(f"all right: {100 * np.prod(each, axis=0).mean():.1f} %")
    dice, types = np.random.default_rng(SEED), found.judged[TYPE]
    rounds = [scores(mended(types, own[TYPE], dice), types.truths) for _ in range(ROUNDS)]
    for metric in ("macro_f1", "coverage_99"):
        print(f"{TYPE}, {metric}: {100 * np.mean([one[metric] for one in rounds]):.1f} %")


def _right(judged: Judged, own: np.ndarray) -> str:
    right, count = judged.right.sum(), judged.known.sum()
    return f"{100 * right / count:.1f} | {100 * (right + own.sum()) / count:.1f}"


def _counted(name: str, samples: Sequence[str]) -> str:
    looked_at = passes(name, samples).values()
    counts = Counter(verdict for both in looked_at for verdict in both)
    same = sum(first == second for first, second in looked_at)
    cells = [counts[verdict] / 2 for verdict in ("label", "arguable", OWN)]
    return " | ".join(f"{cell:g}" for cell in (len(looked_at), *cells, same))


if __name__ == "__main__":
    main()
