"""Labels that are probably wrong: what a model, the taxonomy, copies and names say against them.

The model's part is confident learning (Northcutt, Jiang and Chuang, 2021; by cleanlab) on
probabilities that a small classifier gives for rows it wasn't trained on. The classifier learns
from the catalogue itself, so it knows the catalogue's own attributes, vocabulary and habits; the
features it looks at are the embedding of a hangtag model. What the products' names say decides
which of its suspicions come first: a name that agrees with the label and not with the photo says
that the photo is unusual, or another product's, sooner than that the label is wrong.
"""

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hangtag import consistency
from hangtag.attributes import ANY_OF, NOT_SHOWN, vocabulary
from hangtag.consistency import Contradiction
from hangtag.copies import CopyGroups, copy_groups
from hangtag.errors import HangtagError, require
from hangtag.exploration import RARE_BELOW
from hangtag.product_names import Names, Testimony
from hangtag.progress import Progress
from hangtag.tagger import Tagger

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

Kind = Literal["model", "taxonomy", "copies", "children", "reviewed"]
"""Who speaks against a label; ``reviewed``: a person, who went through the table of findings."""

FOLDS = 5
"""Parts of the catalogue; each is judged by a classifier that learnt from the others."""

LISTED = 0.5
"""Findings with a lower score are more likely right as they are."""

_NOT_SHOWN_RIGHT = 0.1  # of the surest suggestions of a season, by eye (docs/auditing.md)
_BATCH = 64
_COMPONENTS = 192  # most principal components of the embedding that the classifier sees
_ROWS_A_COMPONENT = 30  # fewer rows a component, and it learns wrong labels by heart
_INVERSE_PENALTY = 0.03  # scikit-learn's C: the sum of losses against the weights' squares
_ROUNDS = 40  # of its training; more rounds find no more planted errors
_TELLING = 0.9  # belief from which, or below one less it, a word is named in the reason


@dataclass(frozen=True)
class Finding:
    """A label that is probably wrong.

    ``row`` counts from 0; ``suggested`` is empty where nothing can be suggested; ``score``, 0 to
    1, is how sure it is that the suggestion is right (without one: that the label is wrong).
    """

    row: int
    id: str
    photo: str
    attribute: str
    given: str
    suggested: str
    score: float
    kind: Kind
    reason: str


@dataclass(frozen=True)
class Audit:
    """All findings, the surest of each attribute first, and what was not judged and why."""

    findings: list[Finding]
    left_out: list[str]

    def to_json(self) -> str:
        """The same for machines."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)


def audit(
    catalogue: "Catalogue",
    *,
    model: str = "default",
    attributes: Sequence[str] | None = None,
    least: float = LISTED,
    progress: Progress | None = None,
) -> Audit:
    """Look for wrong labels.

    Args:
        catalogue: Whose labels.
        model: Name or folder of the model whose embedding is used. One that was trained on this
            very catalogue has seen its wrong labels, and finds fewer of them.
        attributes: Which to judge; all by default.
        least: Findings with a lower score, 0 to 1, are counted and not listed.
        progress: Told about the search for copies, the photos, and the attributes.

    Raises:
        HangtagError: No such model or attribute, no photo that can be read, or the packages for
            reports aren't installed.
    """
    require("report", "cleanlab")
    require("report", "sklearn")
    chosen = list(catalogue.attributes if attributes is None else attributes)
    for name in chosen:
        catalogue.labels(name)
    tell = progress or (lambda *_: None)
    embedding = embed(catalogue, Tagger(model), lambda *n: tell("looking at photos", *n))
    features = components(embedding)
    copies = copy_groups(catalogue, progress=lambda *n: tell("looking for copies", *n))
    found = list(_rules(catalogue, copies))
    left_out = []
    names = catalogue.table["name"].to_list()
    for done, name in enumerate(chosen):
        tell("judging labels", done, len(chosen))
        judged = suspicious(features, catalogue.labels(name), copies.group, names)
        found += [("model", _as_contradiction(one, name)) for one in judged.labels]
        left_out += [f"{name}: {reason}" for reason in judged.left_out]
    tell("judging labels", len(chosen), len(chosen))
    place = {name: number for number, name in enumerate(chosen)}
    rows = catalogue.table.select("id", "photo").rows()
    asked = [(kind, one) for kind, one in found if one.attribute in place]
    unsure = Counter(one.attribute for _, one in asked if one.score < least)
    left_out += [
        f"{name}: {count:,} with a score below {least:g}, not listed"
        for name, count in unsure.items()
    ]
    findings = [
        Finding(id=rows[one.row][0], photo=rows[one.row][1] or "", kind=kind, **vars(one))
        for kind, one in asked
        if one.score >= least
    ]
    findings.sort(key=lambda one: (place[one.attribute], -one.score, one.row))
    return Audit(findings, left_out)


def embed(
    catalogue: "Catalogue", tagger: Tagger, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Features of each row's photo, float32 (rows, D); NaN where it can't be read.

    Raises:
        HangtagError: No photo can be read.
    """

    def prepare(photo: str | None) -> np.ndarray | None:
        try:
            return None if photo is None else tagger.prepare(catalogue.photo_bytes(photo))
        except HangtagError:
            return None

    photos = catalogue.table["photo"].to_list()
    features: np.ndarray | None = None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(photos), _BATCH):
            batch = list(pool.map(prepare, photos[start : start + _BATCH]))
            readable = [place for place, one in enumerate(batch) if one is not None]
            if readable:
                stack = np.stack([one for one in batch if one is not None])
                embedding = tagger.probabilities(stack).embedding
                if features is None:
                    shape = (len(photos), embedding.shape[1])
                    features = np.full(shape, np.nan, np.float32)
                features[[start + place for place in readable]] = embedding
            if progress:
                progress(start + len(batch), len(photos))
    if features is None:
        raise HangtagError(f"{catalogue.source}: no photo can be read, so no label can be judged")
    return features


def components(features: np.ndarray) -> np.ndarray:
    """Bring embeddings to their principal components and one scale: float32 (rows, D).

    Classifiers learn much faster from these than from the embedding itself. There are at most 192,
    and of few rows one for every thirty.

    Args:
        features: From `embed`; rows with NaN keep NaN.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    seen = np.isfinite(features[:, 0])
    scaled = StandardScaler().fit_transform(features[seen])
    count = max(2, min(_COMPONENTS, len(scaled) // _ROWS_A_COMPONENT))
    count = min(count, *scaled.shape)
    found = PCA(count, random_state=0).fit_transform(scaled)
    result = np.full((len(features), count), np.nan, np.float32)
    result[seen] = found / max(float(found.std()), np.finfo(np.float32).tiny)
    return result


@dataclass(frozen=True)
class Suspicious:
    """A label that a classifier trained on other rows doesn't believe.

    ``probability`` is what it gives the suggested label, ``given_probability`` what it gives the
    given one; ``testimony`` is what the product's name adds; all numbers are 0 to 1.
    """

    row: int
    given: str
    suggested: str
    probability: float
    given_probability: float
    testimony: Testimony

    @property
    def score(self) -> float:
        """How sure it is that the suggestion is right.

        That is the classifier's probability where the name says nothing, 1 where it clearly speaks
        for the suggestion, 0 where it clearly speaks for the given label. It isn't the product of
        their odds, for the classifier's are far too large to be outweighed by any name's.
        """
        belief = self.testimony.belief
        if belief < 0.5:
            return self.probability * 2 * belief
        return 1 - (1 - self.probability) * 2 * (1 - belief)


@dataclass(frozen=True)
class Suspicions:
    """Suspicious labels of one attribute, the worst first, and what was left out and why."""

    labels: list[Suspicious]
    left_out: list[str]


def suspicious(
    features: np.ndarray,
    labels: Sequence[str | None],
    groups: np.ndarray,
    names: Sequence[str | None] | None = None,
) -> Suspicions:
    """Find the wrong labels of one attribute by confident learning.

    Args:
        features: Float (rows, D); rows with NaN are not judged.
        labels: None where missing. Labels that stand for several values (``A|B``) and those of
            classes with fewer than `RARE_BELOW` groups are not judged.
        groups: int64 (rows,); rows of one group show one photo, and are kept in one fold, lest a
            wrong label vouch for its copy.
        names: Of the products, None where missing. They change scores, not what is listed: a name
            may repeat the label's error, or the photo be another product's.
    """
    from cleanlab.filter import find_label_issues

    seen = np.isfinite(features[:, 0])
    # Copies are one photo, and lie in one fold: a class needs photos for all of the folds.
    photos = {
        (label, group)
        for label, group, has in zip(labels, groups.tolist(), seen, strict=True)
        if has and label is not None
    }
    counts = Counter(label for label, _ in photos)
    least = max(FOLDS, RARE_BELOW)
    judged = vocabulary("", (label for label in labels if label and counts[label] >= least))
    rare = [name for name in counts if counts[name] < least and ANY_OF not in name]
    left_out = []
    if rare:
        what = "1 class has" if len(rare) == 1 else f"{len(rare)} classes have"
        left_out.append(f"{what} fewer than {least} photos, too few to judge")
    if len(judged.values) < 2:
        left_out.append("fewer than two classes to tell apart")
        return Suspicions([], left_out)
    rows = np.array(
        [row for row, label in enumerate(labels) if seen[row] and label in judged.index], np.int64
    )
    given = np.array([judged.index[str(labels[row])] for row in rows], np.int64)
    probabilities = out_of_fold(features[rows], given, groups[rows])
    # As many as confident learning estimates to be wrong, those with the lowest margins: of all of
    # cleanlab's filters the one with the best precision and recall of planted errors.
    worst = find_label_issues(
        given,
        probabilities,
        filter_by="low_normalized_margin",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    best = probabilities.argmax(axis=1)
    named = Names([None] * len(labels) if names is None else names, labels)
    return Suspicions(
        [
            Suspicious(
                row=int(rows[at]),
                given=judged.values[given[at]],
                suggested=judged.values[best[at]],
                probability=float(probabilities[at, best[at]]),
                given_probability=float(probabilities[at, given[at]]),
                testimony=named.testimony(int(rows[at]), judged.values[best[at]]),
            )
            for at in worst
            if best[at] != given[at]
        ],
        left_out,
    )


def out_of_fold(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Probabilities of each row's classes, by a classifier that didn't learn from its group.

    Args:
        features: Float (N, D).
        labels: int64 (N,), 0 to C - 1, each occurring.
        groups: int64 (N,).

    Returns:
        float (N, C), rows summing to 1.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    probabilities = np.zeros((len(labels), labels.max() + 1))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        # The rounds that are left out would change the probabilities less than other folds do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for others, judged in folds.split(features, labels, groups):
            classifier = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_ROUNDS, tol=1e-3)
            classifier.fit(features[others], labels[others])
            places = np.ix_(judged, classifier.classes_)
            probabilities[places] = classifier.predict_proba(features[judged])
    return probabilities


def _as_contradiction(one: Suspicious, attribute: str) -> Contradiction:
    reason = (
        f"looks {100 * one.probability:.0f} % like {one.suggested}, "
        f"{100 * one.given_probability:.0f} % like {one.given}"
    )
    said = one.testimony
    if said.belief >= _TELLING:
        reason += f"; “{said.word}” in its name says so too"
    elif said.belief <= 1 - _TELLING:
        reason += f"; but “{said.word}” in its name speaks for {one.given}"
    score = one.score
    if attribute in NOT_SHOWN:
        score *= _NOT_SHOWN_RIGHT
        reason += f"; but no photo shows its {attribute}"
    return Contradiction(one.row, attribute, one.given, one.suggested, score, reason)


def _rules(catalogue: "Catalogue", copies: CopyGroups) -> Iterable[tuple[Kind, Contradiction]]:
    """What needs no model: contradictions in the table, and among exact copies.

    Near copies don't count here: those that differ in shade differ in colour by right.
    """
    for one in consistency.against_taxonomy(catalogue):
        yield "taxonomy", one
    for one in consistency.children_as_adults(catalogue):
        yield "children", one
    for disagreements in consistency.among_copies(catalogue, copies.exact).values():
        for one in consistency.outvoted(disagreements):
            yield "copies", one
