"""What could be had from a trained model without training it anew.

`python -m benchmarks.without_training CATALOGUE --model default --beside OTHER` looks at the
validation products and sets each way beside the model's network with confidences that are fitted
anew. Whatever is fitted is fitted to four fifths of them and judged on the last, five times; copies
of a photo stay together. Labels that the model has no word for don't count.

- curves: scales and biases without the curves (beta calibration);
- prior: τ times the log of each article type's share of the training products taken from its
  log-probability (logit adjustment after the fact; Menon et al., 2021);
- joint: type, gender and usage decoded together, by how much more often training products show the
  three together than apart;
- stacked: a logistic regression on what all heads say;
- colours: a logistic regression on a photo's pixels in Lab, without a white ground, and on the
  colour head;
- neighbours: a vote of the nearest training products by embedding, beside the heads;
- together: the mean of what several models say (``--beside``).

docs/experiments.md says what was learnt.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hangtag.attributes import COLOUR, TYPE, Attribute
from hangtag.calibration import Calibration, Decoder, fit_probabilities, log_softmax, softmax
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.evaluation import RARE_BELOW, correct, known, scores
from hangtag.judge import labels_for
from hangtag.labels import encode
from hangtag.photo_cache import product_mask
from hangtag.photo_reader import PhotoReader
from hangtag.split import Kind, assign, product_groups
from hangtag.tagger import Tagger

FOLDS, SEED = 5, 0
TAUS = (0.1, 0.2, 0.3, 0.5)
LAMBDAS = (0.1, 0.2)
INVERSE_PENALTIES = (0.01, 0.1)

TOGETHER = (TYPE, "gender", "usage")
STACKED = ("gender", "season", "usage")
NEAREST = 30
TEMPERATURE = 0.1
"""Of the neighbours' votes, which fall with the cosine distance."""
SHARES = (0.1, 0.2, 0.4)
"""How much the neighbours' vote counts."""

_BATCH = 64
_UNHEARD_OF = 1e-4
"""What a regression gives to a value that isn't among what it was fitted to."""

_LOWEST = -8.0
"""Log-probabilities below this tell a regression nothing more."""

_UNSEEN = 5.0
"""Products that each article type is taken to have beside those counted."""

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LIGHTNESS = np.linspace(0, 256, 5)
_CHROMA = 128 + np.linspace(-112, 112, 8)
"""Borders of a histogram's bins for each side of Lab; greys lie in the middle of one."""

Arrays = dict[str, np.ndarray]


@dataclass
class Looks:
    """What a model made of N photos, and what their labels say.

    ``logits`` are float and ``truths`` bool (N, C) by attribute, ``embeddings`` float (N, D),
    ``rows`` and ``groups`` int (N,): rows of the catalogue, and which of them show copies.
    """

    attributes: list[Attribute]
    logits: Arrays
    truths: Arrays
    embeddings: np.ndarray
    rows: np.ndarray
    groups: np.ndarray

    def folds(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positions to fit to and to judge by; the same ones each time."""
        yield from GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(
            self.rows, groups=self.groups
        )


def look(tagger: Tagger, catalogue: Catalogue, part: str) -> Looks:
    """Run a model over the products of a part of its own split, and read their labels."""
    reader = PhotoReader(catalogue)
    rows = [row for row in rows_of(tagger, catalogue, part) if reader.has(row)]
    found = []
    for start in range(0, len(rows), _BATCH):
        photos = [tagger.prepare(reader.read(row)) for row in rows[start : start + _BATCH]]
        found.append(tagger.run(np.stack(photos)))
    return Looks(
        attributes=tagger.attributes,
        logits={
            one.name: np.concatenate([output.logits[one.name] for output in found])
            for one in tagger.attributes
        },
        truths=labelled(tagger, catalogue, rows),
        embeddings=np.concatenate([output.embedding for output in found]),
        rows=np.array(rows),
        groups=product_groups(catalogue)[rows],
    )


def rows_of(tagger: Tagger, catalogue: Catalogue, part: str) -> list[int]:
    """The rows of a part, split as for the model's training."""
    return np.flatnonzero(assign(catalogue, cast(Kind, tagger.info.split)) == part).tolist()


def labelled(tagger: Tagger, catalogue: Catalogue, rows: Sequence[int]) -> Arrays:
    """The labels of rows: bool (rows, C) by attribute."""
    labels = labels_for(tagger.info, catalogue)
    return {
        one.name: encode([labels[one.name][row] for row in rows], one) for one in tagger.attributes
    }


def calibrated(tagger: Tagger, looks: Looks, *, curves: bool = True) -> Arrays:
    """Probabilities (N, C) by attribute, each photo's fitted to the other folds."""
    said = {name: np.zeros_like(values) for name, values in looks.logits.items()}
    taxonomy = tagger.model.taxonomy
    for fitted, judged in looks.folds():
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


def regressed(
    looks: Looks, features: np.ndarray, attribute: str, inverse_penalty: float
) -> np.ndarray:
    """Probabilities (N, C) of a logistic regression on features (N, F), by folds."""
    truths = looks.truths[attribute]
    single = truths.sum(axis=1) == 1
    said = np.full(truths.shape, _UNHEARD_OF)
    for fitted, judged in looks.folds():
        known = fitted[single[fitted]]
        regression = LogisticRegression(C=inverse_penalty, max_iter=300)
        model = make_pipeline(StandardScaler(), regression)
        model.fit(features[known], truths[known].argmax(axis=1))
        said[np.ix_(judged, model.classes_)] += model.predict_proba(features[judged])
    return said / said.sum(axis=1, keepdims=True)


def own_colours(photo: np.ndarray) -> np.ndarray:
    """Quantiles and a coarse histogram, in 8-bit Lab, of what isn't white ground: float (211,).

    Args:
        photo: uint8 (h, w, 3).
    """
    import cv2

    pixels = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[product_mask(photo) > 0].astype(float)
    if not len(pixels):
        pixels = np.full((1, 3), 128.0)
    counts, _ = np.histogramdd(pixels, bins=(_LIGHTNESS, _CHROMA, _CHROMA))
    quantiles = np.quantile(pixels, _QUANTILES, axis=0)
    return np.concatenate([quantiles.ravel(), counts.ravel() / len(pixels)])


def voted(bank: Looks, looks: Looks) -> Arrays:
    """What the nearest products of a bank say, by how near they are: (N, C) by attribute.

    Rows sum to 1, or to 0 where none of the nearest has a label.
    """
    search = NearestNeighbors(n_neighbors=NEAREST, metric="cosine").fit(bank.embeddings)
    distances, nearest = search.kneighbors(looks.embeddings)
    weights = softmax(-distances / TEMPERATURE)
    votes = {}
    for name, truths in bank.truths.items():
        shares = truths / np.maximum(truths.sum(axis=1, keepdims=True), 1)
        votes[name] = np.einsum("nk,nkc->nc", weights, shares[nearest])
        votes[name] /= np.maximum(votes[name].sum(axis=1, keepdims=True), 1e-9)
    return votes


def mean_of(speakers: Sequence[Arrays]) -> Arrays:
    """The mean of what models with the same vocabularies say: (N, C) by attribute."""
    return {name: np.mean([one[name] for one in speakers], axis=0) for name in speakers[0]}


def report(way: str, said: Arrays, truths: Arrays) -> None:
    """Print each attribute's scores on one line, and of all attributes how often all are right."""
    cells = []
    for name, probabilities in said.items():
        found = scores(probabilities, truths[name])
        cells.append(
            f"{name} {100 * found['accuracy']:.1f} (F1 {100 * found['macro_f1']:.1f}, "
            f"nll {found['log_loss']:.3f}, ECE {100 * found['ece']:.1f})"
        )
    if said.keys() == truths.keys():
        complete = np.all([known(truths[name]) for name in said], axis=0)
        right = np.all([correct(values, truths[name]) for name, values in said.items()], axis=0)
        cells.append(f"all right {100 * right[complete].mean():.1f}")
    print(f"{way}: {' · '.join(cells)}", flush=True)


@dataclass
class Case:
    """What a model says of validation products, and what there is to learn from.

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
        report(
            f"τ = {tau}, of {rare.sum()} rare {of_rare:.1f}", {TYPE: adjusted}, case.looks.truths
        )


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
    for strength in INVERSE_PENALTIES:
        stacked = {name: regressed(looks, heads, name, strength) for name in STACKED}
        report(f"C = {strength}", stacked, looks.truths)


def try_colours(case: Case) -> None:
    """Regress the colour on its head and on the photo's pixels."""
    looks, reader = case.looks, PhotoReader(case.catalogue)
    photos = (case.tagger.prepare(reader.read(row)) for row in looks.rows.tolist())
    pixels = np.stack([own_colours(photo) for photo in photos])
    head = log_softmax(looks.logits[COLOUR]).clip(_LOWEST)
    both = np.concatenate([head, pixels], axis=1)
    for name, features in (("the head", head), ("Lab", pixels), ("both", both)):
        colours = regressed(looks, features, COLOUR, INVERSE_PENALTIES[-1])
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
    catalogue = read_catalogue(typed.catalogue)
    # Training photos are looked at, too, whose nearest neighbours are themselves.
    tagger = Tagger(typed.model, neighbours=False)
    looks = look(tagger, catalogue, "validation")
    case = Case(
        tagger=tagger,
        catalogue=catalogue,
        looks=looks,
        said=calibrated(tagger, looks),
        trained=labelled(tagger, catalogue, rows_of(tagger, catalogue, "train")),
    )
    report("by itself", case.said, looks.truths)
    for way in typed.ways:
        print(f"\n{way}")
        WAYS[way](case)
    speakers = [case.said]
    for other in typed.beside:
        beside = Tagger(other, neighbours=False)
        if beside.attributes != tagger.attributes or beside.info.split != tagger.info.split:
            raise SystemExit(f"{other}: was trained on other values or another split")
        speakers.append(calibrated(beside, look(beside, catalogue, "validation")))
        report(f"\n{other}", speakers[-1], looks.truths)
    if typed.beside:
        report("together", mean_of(speakers), looks.truths)


if __name__ == "__main__":
    main()
