"""How far a model would get without its own faults: `python -m benchmarks.ceilings CATALOGUE`.

`verdicts.csv` holds what was said, in two passes, of errors of hangtag-default-9, which are those
of hangtag-default-10, too: of test products (``all`` were drawn from all errors, ``surest`` from
those among the surest three quarters, by `benchmarks.error_sheets`) and of types of phone photos
(``phones``). The label is wrong, both can be argued for, or the model is plainly wrong. A verdict
holds for as long as a model says the same of that photo. Errors that nobody looked at count as the
model's own as often as those of their kind that were; so of another model, which has mended some of
its own, this says less.

It's no hard ceiling: where both answers can be defended, a better model may more often guess the
one that the catalogue took.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl

from hangtag.attributes import COLOUR, TYPE
from hangtag.evaluation import scores
from hangtag.judge import evaluate
from hangtag.markdown import table
from hangtag.verdict import COLOUR_GROUP, Evaluation, Judged

VERDICTS = Path(__file__).parent / "verdicts.csv"
LABEL, ARGUABLE, OWN = "label", "arguable", "model"
HEADINGS = ("", "errors", "looked at", LABEL, ARGUABLE, OWN, "right", "without its own errors")
SUREST = 0.75
ROUNDS, SEED = 100, 0

Said = dict[int, list[str]]
"""The verdicts of errors, by their position in an evaluation."""


def verdicts(found: Evaluation, name: str) -> Said:
    """Look up what was said of the errors that a model still makes, in any sample and pass."""
    judged = found.judged[name]
    table = pl.read_csv(VERDICTS, schema_overrides={"id": pl.String})
    known: dict[tuple[str, str], list[str]] = {}
    for row in table.filter(attribute=name).to_dicts():
        known.setdefault((row["id"], row["says"]), []).extend((row["first"], row["second"]))
    ids = found.catalogue.table["id"].gather(found.rows).to_list()
    values = judged.attribute.values
    wrong = np.flatnonzero(judged.known & ~judged.right).tolist()
    said = {at: known.get((ids[at], values[judged.predicted[at]]), []) for at in wrong}
    return {at: some for at, some in said.items() if some}


def own_shares(judged: Judged, said: Said, groups: Judged | None = None) -> np.ndarray:
    """How probable it is that each photo's tag is wrong by the model's own fault: float (N,).

    Args:
        judged: Of an attribute.
        said: `verdicts` of its errors.
        groups: The same photos judged by groups of the values, where there are some: an error that
            stays within its group is of another kind.
    """
    surest = np.quantile(judged.confidence, 1 - SUREST)
    kinds = (judged.confidence >= surest).astype(int)
    if groups is not None:
        kinds = kinds + 2 * groups.right
    looked_at = np.array([*said], int)
    own = np.array([np.mean([one == OWN for one in some]) for some in said.values()])
    shares = np.zeros(len(kinds))
    for at in np.flatnonzero(judged.known & ~judged.right):
        alike = kinds[looked_at] == kinds[at]
        shares[at] = own[alike if alike.any() else slice(None)].mean()
    shares[looked_at] = own
    return shares


def mended(judged: Judged, own: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Probabilities (N, C) with some errors mended, each as often as it is the model's own."""
    rows = np.flatnonzero(dice.random(len(own)) < own)
    probabilities = judged.probabilities.copy()
    truth = np.where(judged.truths[rows], probabilities[rows], -1).argmax(axis=1)
    predicted = judged.predicted[rows]
    probabilities[rows, truth] = judged.probabilities[rows, predicted]
    probabilities[rows, predicted] = judged.probabilities[rows, truth]
    return probabilities


def all_right(found: Evaluation, own: dict[str, np.ndarray]) -> float:
    """Share of the completely labelled photos with no error but the model's own.

    A wrong article type and its wrong categories are one error; others are taken to be the model's
    own independently of each other.
    """
    levels = [name for name in (TYPE, *found.tagger.model.taxonomy.levels) if name in own]
    chances = {name: np.where(found.judged[name].right, 1, own[name]) for name in own}
    apart = [chances[name] for name in own if name not in levels]
    together = [np.min([chances[name] for name in levels], axis=0)] if levels else []
    complete = np.logical_and.reduce([found.judged[name].known for name in own])
    return float(np.prod([*apart, *together], axis=0)[complete].mean())


def main() -> None:
    """Print a table, and what follows from it."""
    parser = argparse.ArgumentParser(prog="benchmarks.ceilings", description=__doc__)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument("--phones", type=Path, metavar="CATALOGUE", help="the phone photos")
    typed = parser.parse_args()
    found = evaluate(typed.model, typed.catalogue)
    rows = []
    own: dict[str, np.ndarray] = {}
    for name, judged in found.judged.items():
        if name == COLOUR_GROUP:
            continue
        groups = found.judged[COLOUR_GROUP] if name == COLOUR else None
        said = _required(verdicts(found, name), name, found)
        own[name] = own_shares(judged, said, groups)
        rows.append(_row(name, judged, said, own[name]))
        if groups is not None:
            missed = np.where(groups.right, 0, own[name])
            rows.append(_row(COLOUR_GROUP, groups, said, missed))
    for split in ("test", "validation") if typed.phones else ():
        phones = evaluate(typed.model, typed.phones, split=split)
        said, judged = _required(verdicts(phones, TYPE), TYPE, phones), phones.judged[TYPE]
        name = f"{TYPE}, {split} phone photos"
        rows.append(_row(name, judged, said, own_shares(judged, said)))
    print(table(HEADINGS, rows))
    print(f"\nall right: {100 * all_right(found, own):.1f} %")
    dice, types = np.random.default_rng(SEED), found.judged[TYPE]
    rounds = [scores(mended(types, own[TYPE], dice), types.truths) for _ in range(ROUNDS)]
    for metric in ("macro_f1", "coverage_99"):
        print(f"{TYPE}, {metric}: {100 * np.mean([one[metric] for one in rounds]):.1f} %")


def _required(said: Said, name: str, found: Evaluation) -> Said:
    if not said:
        raise SystemExit(
            f"{found.info.name}: none of its errors in {name} on {found.catalogue.source} was "
            "looked at"
        )
    return said


def _row(name: str, judged: Judged, said: Said, own: np.ndarray) -> list[object]:
    right, count = int(judged.right.sum()), int(judged.known.sum())
    wrong = judged.known & ~judged.right
    looked_at = {at: some for at, some in said.items() if wrong[at]}
    shares: defaultdict[str, float] = defaultdict(float)
    for some in looked_at.values():
        for one in some:
            shares[one] += 1 / len(some)
    counts = [f"{shares[verdict]:.1f}" for verdict in (LABEL, ARGUABLE, OWN)]
    of_all = [f"{100 * part / count:.1f}" for part in (right, right + own.sum())]
    return [name, count - right, len(looked_at), *counts, *of_all]


if __name__ == "__main__":
    main()
