"""What the words in products' names say about a label in question."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.attributes import ANY_OF

_WORD = re.compile(r"[^\W\d_]{2,}")  # digits are sizes and model numbers, one letter a possessive


@dataclass(frozen=True)
class Testimony:
    """What a product's name says when two labels are in question.

    ``belief``, 0 to 1, is that in the suggested label, by the name alone and had both been equally
    likely; ``word`` of the name says most, in lower case, empty where none says anything.
    """

    belief: float
    word: str


class Names:
    """What the words in the names of products say about their labels of one attribute.

    Nobody tells it what words mean: a word speaks for the labels that products with it have more
    often than others, so "Women", "shoe" or a brand for children speak in any language. How much
    more often is an observed-to-expected ratio, shrunk by half a product on both sides, so that
    rare words say little (Norén, Hopstadius and Bate, 2013, Shrinkage observed-to-expected ratios
    for robust and transparent large-scale pattern discovery).
    """

    def __init__(self, names: Sequence[str | None], labels: Sequence[str | None]) -> None:
        """Count words.

        Args:
            names: Of each row; None where missing.
            labels: Of each row; those missing, and those that stand for several values, say
                nothing.
        """
        self._words = [sorted(set(_WORD.findall((name or "").casefold()))) for name in names]
        self._labels = labels
        self._with_word = Counter[str]()
        self._with_both = Counter[tuple[str, str]]()
        self._with_label = Counter[str]()
        for words, label in zip(self._words, labels, strict=True):
            if label and ANY_OF not in label:
                self._with_label[label] += 1
                self._with_word.update(words)
                self._with_both.update((word, label) for word in words)

    def testimony(self, row: int, suggested: str) -> Testimony:
        """Ask the name of a row, whose own label is left out of the counts.

        Of the words that speak for either label the strongest counts; those for one are weighed
        against those for the other. Adding them up would count "running shoes" twice.

        Args:
            row: With a label that stands for one value.
            suggested: Another label that occurs in the catalogue.
        """
        given = self._labels[row] or ""
        weights = {
            word: self._log_ratio(word, suggested, 0) - self._log_ratio(word, given, 1)
            for word in self._words[row]
        }
        for_suggested = max(weights.values(), default=0.0)
        for_given = min(weights.values(), default=0.0)
        evidence = max(for_suggested, 0.0) + min(for_given, 0.0)
        said = ""
        if evidence:
            said = (max if evidence > 0 else min)(weights, key=lambda word: weights[word])
        return Testimony(1 / (1 + math.exp(-evidence)), said)

    def _log_ratio(self, word: str, label: str, own: int) -> float:
        """Of products with both to those expected if they had nothing to do with each other."""
        share = self._with_label[label] / self._with_label.total()
        expected = (self._with_word[word] - 1) * share
        return math.log((self._with_both[word, label] - own + 0.5) / (expected + 0.5))
