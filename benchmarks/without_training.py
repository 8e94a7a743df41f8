"""What could be had from a trained model without training it anew.

`python -m benchmarks.without_training CATALOGUE --model default --beside OTHER` looks at the
validation products once, and sets each way beside the model as it is, by five folds wherever
something is fitted:

- curves: scales and biases alone, and with the curves that ship (beta calibration);
- prior: τ times the log of each article type's share of the training products taken from its
  log-probability (logit adjustment after the fact; Menon et al., 2021);
- joint: type, gender and usage decoded together, by how much more often training products show the
  three together than apart;
- stacked: a logistic regression on what all heads say;
- colours: a logistic regression on the product's own pixels in Lab, beside the colour head;
- neighbours: a vote of the nearest training products by embedding, beside the heads;
- together: the mean of what several models say (``--beside``).

docs/experiments.md says what was learnt.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hangtag.attributes import TYPE, Attribute
from hangtag.calibration import Calibration, Decoder, fit_probabilities, log_softmax, softmax
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.evaluation import RARE_BELOW, scores
from hangtag.judge import COLOUR, labels_for
from hangtag.labels import encode
from hangtag.photo_cache import product_mask
from hangtag.photo_reader import PhotoReader
from hangtag.split import assign
from hangtag.tagger import Tagger

FOLDS, SEED = 5, 0
TAUS = (0.1, 0.2, 0.3, 0.5)
LAMBDAS = (0.1, 0.2)
PENALTIES = (0.01, 0.1)
"""Inverse strengths of the regressions' penalty."""

TOGETHER = (TYPE, "gender", "usage")
STACKED = ("gender", "season", "usage")
NEAREST = 30
SHARES = (0.1, 0.2, 0.4)
"""How much the neighbours' vote counts."""

_BATCH = 64
_LOWEST = -8.0
"""Log-probabilities below this tell a regression nothing more."""

_UNSEEN = 5.0
"""Products that each article type is taken to have beside those counted."""

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

Arrays = dict[str, np.ndarray]


@dataclass
class Looks:
    """What a model made of N photos: logits (N, C) and truths (N, C) by attribute, embeddings."""

    attributes: list[Attribute]
    logits: Arrays
    truths: Arrays
    embeddings: np.ndarray
    rows: np.ndarray


def look(tagger: Tagger, catalogue: Catalogue, part: str) -> Looks:
    """Run a model over the products of a part, and read their labels."""
    reader = PhotoReader(catalogue)
    rows = [row for row in np.flatnonzero(assign(catalogue) == part).tolist() if reader.has(row)]
    found = []
    for start in range(0, len(rows), _BATCH):
        photos = [tagger.prepare(reader.read(row)) for row in rows[start : start + _BATCH]]
        found.append(tagger.run(np.stack(photos)))
    labels = labels_for(tagger.info, catalogue)
    names = [one.name for one in tagger.attributes]
    return Looks(
        attributes=tagger.attributes,
        logits={name: np.concatenate([one.logits[name] for one in found]) for name in names},
        truths={
            one.name: encode([labels[one.name][row] for row in rows], one)
            for one in tagger.attributes
        },
        embeddings=np.concatenate([one.embedding for one in found]),
        rows=np.array(rows),
    )


def folds(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions to fit on and to judge by, five times; the same ones for each way."""
    yield from KFold(FOLDS, shuffle=True, random_state=SEED).split(np.empty(count))


def calibrated(tagger: Tagger, looks: Looks, *, curves: bool = True) -> Arrays:
    """Probabilities (N, C) by attribute, each photo's fitted to the other folds."""
    said = {name: np.zeros_like(values) for name, values in looks.logits.items()}
    taxonomy = tagger.model.taxonomy
    for fitted, judged in folds(len(looks.rows)):
        calibration = fit_probabilities(
            {name: values[fitted] for name, values in looks.logits.items()},
            {name: values[fitted] for name, values in looks.truths.items()},
            looks.attributes,
            taxonomy,
        )
        if not curves:
            calibration = Calibration(scales=calibration.scales, biases=calibration.biases)
        decode = Decoder(looks.attributes, taxonomy, calibration)
        for name, values in decode({n: v[judged] for n, v in looks.logits.items()}).items():
            said[name][judged] = values
    return said


def with_prior(probabilities: np.ndarray, counts: np.ndarray, tau: float) -> np.ndarray:
    """Take τ times the log of each value's share from its log-probability.

    Args:
        probabilities: (N, C).
        counts: (C,): training products of each value.
        tau: 0 changes nothing, 1 makes all values equally likely beforehand.
    """
    return softmax(np.log(probabilities.clip(1e-9)) - tau * np.log((counts + 1) / counts.sum()))


def decoded_together(said: Mapping[str, np.ndarray], labels: np.ndarray, strength: float) -> Arrays:
    """Multiply what heads say with how much more often their values come together than apart.

    Args:
        said: Probabilities (N, types), (N, genders) and (N, usages), in this order.
        labels: int (products, 3): the values of training products with all three labels.
        strength: λ, the exponent of that.
    """
    names = [*said]
    counts = np.zeros([said[name].shape[1] for name in names])
    np.add.at(counts, tuple(labels.T), 1)
    of_types = counts.sum((1, 2), keepdims=True)
    apart = counts.sum((0, 2), keepdims=True) * counts.sum((0, 1), keepdims=True)
    apart = (apart + 1) / (apart + 1).sum()
    more_often = np.log((counts + _UNSEEN * apart) / (of_types + _UNSEEN) / apart)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for row in range(len(said[names[0]])):
        logs = [np.log(said[name][row].clip(1e-7)) for name in names]
        joint = logs[0][:, None, None] + logs[1][None, :, None] + logs[2][None, None]
        joint = np.exp(joint + strength * more_often - joint.max())
        joint /= joint.sum()
        for name, others in zip(names, ((1, 2), (0, 2), (0, 1)), strict=True):
            found[name].append(joint.sum(others))
    return {name: np.array(rows) for name, rows in found.items()}


def regressed(features: np.ndarray, truths: np.ndarray, penalty: float) -> np.ndarray:
    """Probabilities (N, C) of a logistic regression on features (N, F), by folds."""
    said = np.zeros(truths.shape)
    labelled = np.asarray(truths.any(axis=1))
    for fitted, judged in folds(len(features)):
        known = fitted[labelled[fitted]]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=300))
        model.fit(features[known], truths[known].argmax(axis=1))
        said[np.ix_(judged, model.classes_)] = model.predict_proba(features[judged])
    return said


def own_colours(photo: np.ndarray) -> np.ndarray:
    """Quantiles and a coarse histogram of the product's pixels in Lab: float (79,).

    Args:
        photo: uint8 (h, w, 3).
    """
    import cv2

    pixels = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[product_mask(photo) > 0].astype(float)
    if not len(pixels):
        return np.zeros(len(_QUANTILES) * 3 + 64)
    counts, _ = np.histogramdd(pixels, bins=4, range=[(0, 256)] * 3)
    return np.concatenate(
        [np.quantile(pixels, _QUANTILES, axis=0).ravel(), counts.ravel() / len(pixels)]
    )


def voted(bank: Looks, looks: Looks) -> Arrays:
    """What the nearest products of a bank say, by how near they are: (N, C) by attribute."""
    search = NearestNeighbors(n_neighbors=NEAREST, metric="cosine").fit(bank.embeddings)
    distances, nearest = search.kneighbors(looks.embeddings)
    weights = softmax(-10 * distances)
    return {
        name: np.einsum("nk,nkc->nc", weights, truths[nearest].astype(float))
        for name, truths in bank.truths.items()
    }


def mean_of(speakers: Sequence[Arrays]) -> Arrays:
    """The mean of what models with the same vocabularies say: (N, C) by attribute."""
    return {name: np.mean([one[name] for one in speakers], axis=0) for name in speakers[0]}


def report(way: str, said: Arrays, truths: Arrays) -> None:
    """Print accuracy, macro-F1, likelihood and calibration of each attribute on one line."""
    cells = []
    for name, probabilities in said.items():
        found = scores(probabilities, truths[name])
        cells.append(
            f"{name} {100 * found['accuracy']:.1f} (F1 {100 * found['macro_f1']:.1f}, "
            f"nll {found['log_loss']:.3f}, ECE {100 * found['ece']:.1f})"
        )
    if len(said) > len(TOGETHER):
        labelled = np.all([truths[name].any(axis=1) for name in said], axis=0)
        right = [
            truths[name][np.arange(len(labelled)), values.argmax(axis=1)]
            for name, values in said.items()
        ]
        cells.append(f"all right {100 * np.all(right, axis=0)[labelled].mean():.1f}")
    print(f"{way}: {' · '.join(cells)}", flush=True)


@dataclass
class Case:
    """The model as it is: what it says of validation products, and what there is to learn from.

    ``said`` holds probabilities (N, C) by attribute, ``trained`` the labels (products, C) of the
    training products.
    """

    tagger: Tagger
    catalogue: Catalogue
    looks: Looks
    said: Arrays
    trained: Arrays


def try_curves(case: Case) -> None:
    """Leave the curves out."""
    report("without", calibrated(case.tagger, case.looks, curves=False), case.looks.truths)


def try_prior(case: Case) -> None:
    """Adjust article types to how frequent they are."""
    counts, truths = case.trained[TYPE].sum(axis=0), case.looks.truths[TYPE]
    rare = (truths & (counts < RARE_BELOW)).any(axis=1)
    for tau in (0, *TAUS):
        adjusted = with_prior(case.said[TYPE], counts, tau)
        of_rare = 100 * scores(adjusted[rare], truths[rare])["accuracy"]
        report(f"τ = {tau}, of {rare.sum()} rare {of_rare:.1f}", {TYPE: adjusted}, {TYPE: truths})


def try_joint(case: Case) -> None:
    """Decode type, gender and usage together."""
    labels = [case.trained[name] for name in TOGETHER]
    complete = np.all([one.sum(axis=1) == 1 for one in labels], axis=0)
    values = np.stack([one[complete].argmax(axis=1) for one in labels], axis=1)
    for strength in LAMBDAS:
        joint = decoded_together({name: case.said[name] for name in TOGETHER}, values, strength)
        report(f"λ = {strength}", joint, case.looks.truths)


def try_stacked(case: Case) -> None:
    """Regress three attributes on all heads."""
    looks = case.looks
    heads = np.concatenate([log_softmax(one).clip(_LOWEST) for one in looks.logits.values()], 1)
    for penalty in PENALTIES:
        stacked = {name: regressed(heads, looks.truths[name], penalty) for name in STACKED}
        report(f"C = {penalty}", stacked, looks.truths)


def try_colours(case: Case) -> None:
    """Regress the colour on the product's own pixels and on its head."""
    looks, reader = case.looks, PhotoReader(case.catalogue)
    photos = (case.tagger.prepare(reader.read(row)) for row in looks.rows.tolist())
    pixels = np.stack([own_colours(photo) for photo in photos])
    head = log_softmax(looks.logits[COLOUR]).clip(_LOWEST)
    both = np.concatenate([head, pixels], axis=1)
    for name, features in (("the head", head), ("Lab", pixels), ("both", both)):
        colours = regressed(features, looks.truths[COLOUR], PENALTIES[-1])
        report(f"on {name}", {COLOUR: colours}, looks.truths)


def try_neighbours(case: Case) -> None:
    """Let the nearest training products vote."""
    votes = voted(look(case.tagger, case.catalogue, "train"), case.looks)
    for share in SHARES:
        mixed = {
            name: (1 - share) * values + share * votes[name] for name, values in case.said.items()
        }
        report(f"their share {share}", mixed, case.looks.truths)


WAYS = {
    "curves": try_curves,
    "prior": try_prior,
    "joint": try_joint,
    "stacked": try_stacked,
    "colours": try_colours,
    "neighbours": try_neighbours,
}


def main() -> None:
    """Print a line for each way and strength."""
    parser = argparse.ArgumentParser(prog="benchmarks.without_training", description=__doc__)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=[*WAYS])
    parser.add_argument(
        "--beside", nargs="*", default=[], metavar="MODEL", help="others that speak with it"
    )
    typed = parser.parse_args()
    catalogue, tagger = read_catalogue(typed.catalogue), Tagger(typed.model)
    looks = look(tagger, catalogue, "validation")
    labels = labels_for(tagger.info, catalogue)
    rows = np.flatnonzero(assign(catalogue) == "train").tolist()
    case = Case(
        tagger=tagger,
        catalogue=catalogue,
        looks=looks,
        said=calibrated(tagger, looks),
        trained={
            one.name: encode([labels[one.name][row] for row in rows], one)
            for one in looks.attributes
        },
    )
    report("as it is", case.said, looks.truths)
    for way in typed.ways:
        print(f"\n{way}")
        WAYS[way](case)
    speakers = [case.said]
    for other in typed.beside:
        beside = Tagger(other)
        speakers.append(calibrated(beside, look(beside, catalogue, "validation")))
        report(f"\n{other}", speakers[-1], looks.truths)
    if typed.beside:
        report("together", mean_of(speakers), looks.truths)


if __name__ == "__main__":
    main()
