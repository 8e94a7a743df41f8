"""A shop's own products vote beside a network that was trained on another's: no training needed.

What `hangtag.neighbours` learns of training products is how to look at photos; whose photos they
are compared to can be changed at any time.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from hangtag.bank import ask, ask_strangers, bank_of, set_bank
from hangtag.cores import available_cores
from hangtag.graph_outputs import Bank
from hangtag.labels import Labels, encode
from hangtag.model import INPUT, LOGITS, LOOK, Neighbours
from hangtag.photo_reader import PhotoReader
from hangtag.prediction import read_inputs
from hangtag.progress import Progress
from hangtag.session import open_session
from hangtag.tagger import Tagger
from hangtag.vote_share import UNUSUAL, fit_log_odds

COUNT = 30
"""How many of the nearest vote."""


def can_compare(tagger: Tagger) -> bool:
    """Tell whether a model has learnt to look at photos: trained with ``neighbours`` in its recipe,
    by a hangtag that does."""
    session = open_session(tagger.model, 1)
    return any(output.name == LOOK for output in session.get_outputs())


class OwnNeighbours:
    """A catalogue's products as the neighbours that a model asks.

    Args:
        tagger: Of a model folder that `can_compare`. It doesn't see what is changed there.
        reader: Finds the photos.
        rows: Those of the catalogue that may vote, all with a photo.
        labels: Of the catalogue, in the model's words.
        groups: int (rows of the catalogue,): equal for copies of a photo, of which one votes.
        progress: Told about the photos.

    Attributes:
        voters: How many products vote: those that have labels in the model's words and a photo
            that can be read, one of all copies.
    """

    def __init__(
        self,
        tagger: Tagger,
        reader: PhotoReader,
        rows: list[int],
        labels: Labels,
        groups: np.ndarray,
        *,
        progress: Progress | None = None,
    ) -> None:
        self._tagger = tagger
        self._reader = reader
        self._progress = progress
        targets = {one.name: encode(labels[one.name], one) for one in tagger.info.vocabularies()}
        self._targets = {name: allowed for name, allowed in targets.items() if allowed.any()}
        labelled = [row for row in rows if any(one[row].any() for one in self._targets.values())]
        first = {int(groups[row]): row for row in reversed(labelled)}
        names = [LOOK, *(LOGITS + name for name in self._targets)]
        read, self._said = self._outputs(sorted(first.values()), names)
        self.voters = len(read)
        self._targets = {name: allowed[read] for name, allowed in self._targets.items()}

    def vote(self, *, for_themselves: bool = False) -> None:
        """Put the products into the model's graph, in place of others that were there.

        Args:
            for_themselves: A photo's own product has a vote. Leave it out to judge the model on
                these very products, as if each were new.
        """
        bank = replace(self._bank, passed_over=0 if for_themselves else 1)
        set_bank(self._tagger.model.onnx_path, bank)

    @cached_property
    def _bank(self) -> Bank:
        return bank_of(self._said[LOOK], self._targets, COUNT)

    def fit(self) -> Neighbours:
        """How much the products' votes count, told by each of them as if it were new: beside its
        siblings, and, which counts less, without them."""
        self.vote()
        looks = self._said[LOOK]
        bank = replace(self._bank, passed_over=1)
        parts = ask(bank, looks), ask_strangers(bank, looks, np.arange(self.voters))
        said = {
            name: np.concatenate([(self._said | part)[name] for part in parts])
            for name in (*self._said, *parts[0])
        }
        targets = {name: np.concatenate([one, one]) for name, one in self._targets.items()}
        kind = np.repeat([0, 1], self.voters)
        log_odds = fit_log_odds(said, targets, kind, np.where(kind, UNUSUAL, 1.0))
        return Neighbours(products=self.voters, log_odds=log_odds)

    def _outputs(
        self, rows: list[int], names: list[str]
    ) -> tuple[list[int], dict[str, np.ndarray]]:
        """Rows whose photos can be read, and what the network says of them."""
        session = open_session(self._tagger.model, available_cores())
        read: list[int] = []
        found: list[list[np.ndarray]] = []
        doing = "comparing photos"
        for batch in read_inputs(self._tagger, self._reader, rows, doing, self._progress):
            if batch.rows:
                read += batch.rows
                found.append(session.run(names, {INPUT: np.stack(batch.inputs)}))
        return read, {
            name: np.concatenate([one[number] for one in found])
            for number, name in enumerate(names if found else [])
        }
