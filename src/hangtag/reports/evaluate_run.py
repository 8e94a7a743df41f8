"""From models and a catalogue to the evaluation report in every form."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.progress import Progress
from hangtag.protocols import PROTOCOLS, Outcome
from hangtag.reports.evaluate import report_html, report_json
from hangtag.reports.evaluate_text import print_report
from hangtag.split import Kind
from hangtag.tagger import Tagger
from hangtag.verdict import Evaluation, told_apart


@dataclass(frozen=True)
class Report:
    """Models judged on one catalogue, each by its own split, and what the protocols measured."""

    evaluations: list[Evaluation]
    outcomes: list[Outcome]

    def to_json(self) -> str:
        """See `hangtag.reports.evaluate.report_json`."""
        return report_json(self.evaluations, self.outcomes)

    def to_html(self) -> str:
        """See `hangtag.reports.evaluate.report_html`."""
        return report_html(self.evaluations, self.outcomes)

    def print(self) -> None:
        """Print tables on the terminal."""
        print_report(self.evaluations, self.outcomes)


_FORMS = {".html": Report.to_html, ".htm": Report.to_html, ".json": Report.to_json}


def run(
    models: Sequence[str | Path],
    catalogue: str | Path,
    *,
    split: str = "test",
    photos: str | Path | None = None,
    columns: str | Path | None = None,
    protocol: str | None = None,
    flip: bool = False,
    turn: bool = True,
    neighbours: bool = True,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge models on a catalogue, and write the report if asked to.

    Args:
        models: Names or folders, at least one.
        catalogue: As for `hangtag.read_catalogue`.
        split: As for `hangtag.evaluate`.
        photos: As for `hangtag.evaluate`.
        columns: A table with more attributes of the same ids; details are judged by it.
        protocol: One of `hangtag.protocols.PROTOCOLS`; ``temporal`` tests on odd years, if one of
            the models was trained on even ones.
        flip: As for `hangtag.Tagger`.
        turn: As for `hangtag.Tagger`.
        neighbours: As for `hangtag.Tagger`.
        output: File to write, ``.html`` or ``.json``.
        progress: As for `hangtag.evaluate`.

    Raises:
        HangtagError: As for `hangtag.evaluate`; an unknown protocol or ending; a file that can't
            be written.
    """
    if protocol is not None and protocol not in PROTOCOLS:
        raise HangtagError(f"no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    # Checked first: judging takes minutes.
    if output is not None and output.suffix.lower() not in _FORMS:
        raise HangtagError(f"{output}: unknown ending; choose one of {', '.join(_FORMS)}")
    if output is not None and not output.absolute().parent.is_dir():
        raise HangtagError(f"{output}: there is no folder {output.parent}; make it first")
    products = read_catalogue(catalogue, columns=columns)
    taggers = [
        Tagger(model, details=columns is not None, flip=flip, turn=turn, neighbours=neighbours)
        for model in models
    ]
    by_years = protocol == "temporal" and any(one.info.split == "temporal" for one in taggers)
    kind: Kind | None = "temporal" if by_years else None
    evaluations = told_apart(
        [
            evaluate(
                tagger,
                products,
                split=split,
                kind=kind,
                photos=photos,
                progress=progress,
            )
            for tagger in taggers
        ]
    )
    outcomes = [PROTOCOLS[protocol](one) for one in evaluations] if protocol else []
    report = Report(evaluations, outcomes)
    if output is not None:
        try:
            output.write_text(_FORMS[output.suffix.lower()](report), encoding="utf-8")
        except OSError as error:
            raise HangtagError(f"{output}: can't be written ({error.strerror})") from error
    return report
