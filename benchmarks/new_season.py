"""What neighbours' votes are worth to products of which no sibling is known yet.

`python -m benchmarks.new_season MODEL --data FOLDER` tags the test products of the public dataset
without votes, asking the training and validation products as the model does, and asking those
that aren't listed near a product: of the catalogue, in the order of ids, the fifth in which a
product lies is left out, as a season is that hasn't been labelled.
"""

import numpy as np

from benchmarks.options import options
from benchmarks.photos import KINDS
from hangtag.attributes import Attribute
from hangtag.bank import ask, ask_strangers, bank_of
from hangtag.calibration import Decoder
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.cores import available_cores
from hangtag.labels import encode
from hangtag.markdown import table
from hangtag.model import INPUT, LOGITS, LOOK, NEARNESS, VOTES
from hangtag.photo_reader import PhotoReader
from hangtag.prediction import read_inputs
from hangtag.recipe import Recipe
from hangtag.sequence import sequence
from hangtag.session import open_session
from hangtag.split import assign
from hangtag.tagger import Tagger
from hangtag.voting import counted_in

PRECISION = 0.95


def main() -> None:
    """Print a row for each model and way of voting: in %, right (accepted · right of these)."""
    typed = options("new_season", __doc__)
    catalogue = read_catalogue(typed.data / KINDS["small"])
    rows = [row for model in typed.models for row in _rows(Tagger(model), catalogue, typed.split)]
    names = [one.name for one in Tagger(typed.models[0]).main_attributes]
    print(table(["model", "votes", *names, "all"], rows, words=(0, 1)))


def _rows(tagger: Tagger, catalogue: Catalogue, split: str) -> list[list[str]]:
    neighbours = tagger.info.neighbours
    if neighbours is None:
        raise SystemExit(f"{tagger.info.name}: asks no neighbours")
    if min(map(len, neighbours.log_odds.values())) == 2:
        # Its nearness is another than the banks' that are made here.
        raise SystemExit(f"{tagger.info.name}: was made by an older hangtag; make it anew")
    attributes = tagger.main_attributes
    parts = assign(catalogue)
    voting = [part for part in ("train", "validation") if part != split]
    voters, theirs = _looked_at(tagger, catalogue, np.isin(parts, voting), [])
    judged, said = _looked_at(tagger, catalogue, parts == split, attributes)
    place = sequence([str(one) for one in catalogue.table["id"]])
    order = np.argsort(place[voters])
    voters, looks = voters[order], theirs[LOOK][order]
    targets = {one.name: encode(catalogue.labels(one.name), one) for one in attributes}
    count = Recipe.model_validate(tagger.info.recipe).neighbours
    bank = bank_of(looks, {name: one[voters] for name, one in targets.items()}, count)
    places = np.minimum(np.searchsorted(place[voters], place[judged]), len(voters) - 1)
    logits = {one.name: said[LOGITS + one.name] for one in attributes}
    ways = {
        "none": None,
        "all products'": ask(bank, said[LOOK]),
        "all but those listed near": ask_strangers(bank, said[LOOK], places),
    }
    decode = Decoder(attributes, tagger.model.taxonomy, tagger.info.calibration)
    rows = []
    for way, found in ways.items():
        mixed = logits
        if found is not None:
            votes = {one.name: found[VOTES + one.name] for one in attributes}
            mixed = counted_in(logits, votes, found[NEARNESS], neighbours)
        rows.append([tagger.info.name, way, *_cells(tagger, decode(mixed), targets, judged)])
    return rows


def _looked_at(
    tagger: Tagger, catalogue: Catalogue, wanted: np.ndarray, attributes: list[Attribute]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Rows whose photos can be read, and what the graph says of them."""
    reader = PhotoReader(catalogue)
    session = open_session(tagger.model, available_cores())
    names = [LOOK, *(LOGITS + one.name for one in attributes)]
    rows: list[int] = []
    found = []
    having = [row for row in np.flatnonzero(wanted).tolist() if reader.has(row)]
    for batch in read_inputs(tagger, reader, having, "looking at photos", None):
        if batch.rows:
            rows += batch.rows
            found.append(session.run(names, {INPUT: np.stack(batch.inputs)}))
    every = map(np.concatenate, zip(*found, strict=True))
    return np.array(rows), dict(zip(names, every, strict=True))


def _cells(
    tagger: Tagger,
    probabilities: dict[str, np.ndarray],
    targets: dict[str, np.ndarray],
    judged: np.ndarray,
) -> list[str]:
    labelled, every = np.ones((2, len(judged)), bool)
    cells = []
    for name, found in probabilities.items():
        allowed = targets[name][judged]
        known = allowed.sum(axis=1) == 1
        right = allowed[np.arange(len(judged)), found.argmax(axis=1)]
        labelled &= known
        every &= right
        threshold = tagger.info.calibration.threshold(name, PRECISION)
        accepted = known & (found.max(axis=1) >= threshold)
        shares = right[known], accepted[known], right[accepted]
        whole, taken, of_these = (f"{100 * share.mean():.1f}" for share in shares)
        cells.append(f"{whole} ({taken} · {of_these})")
    return [*cells, f"{100 * every[labelled].mean():.1f}"]


if __name__ == "__main__":
    main()
