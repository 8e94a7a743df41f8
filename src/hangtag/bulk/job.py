"""One run over many photos: what the command line calls."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.bulk.inputs import Inputs, Survey
from hangtag.bulk.outputs import PartFile, check_output
from hangtag.bulk.pipeline import plan_for, tag_in_order
from hangtag.errors import HangtagError

if TYPE_CHECKING:
    from hangtag.model import ModelInfo
    from hangtag.tagger import Tagger
    from hangtag.tags import PhotoTags

Progress = Callable[[int, int, int], None]
"""Called with the photos done, the photos in all, and how many of those done had errors."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: photos in all, with errors, done by an earlier run, whether its file took
    the place of another, and what the user should know (`Survey`)."""

    total: int
    errors: int
    resumed: int = 0
    replaced: bool = False
    notes: tuple[str, ...] = ()


class StoppedError(HangtagError):
    """The user stopped a run (Ctrl-C); the message says what is kept and how to go on."""


def tag_each(
    tagger: "Tagger", inputs: Inputs, survey: Survey, start: int = 0
) -> Iterator[list["PhotoTags"]]:
    """Tag inputs from position ``start`` on, batch by batch, in order."""
    return tag_in_order(tagger, islice(inputs, start, None), plan_for(remote=survey.remote))


def tag_to(
    tagger: "Tagger",
    inputs: Inputs,
    write: Callable[[list["PhotoTags"]], object],
    *,
    progress: Progress | None = None,
) -> Outcome:
    """Tag inputs and hand each batch of results to ``write``, in order.

    Raises:
        HangtagError: There are no photos, a source doesn't exist, or a table can't be read.
    """
    survey = inputs.survey()
    done = errors = 0
    for results in tag_each(tagger, inputs, survey):
        write(results)
        done += len(results)
        errors += sum(result.error is not None for result in results)
        if progress:
            progress(done, survey.total, errors)
    return Outcome(survey.total, errors, notes=survey.notes)


def tag_to_file(
    tagger: "Tagger",
    inputs: Inputs,
    output: Path,
    *,
    options: dict[str, Any],
    progress: Progress | None = None,
) -> Outcome:
    """Tag inputs into a file, going on where an earlier run of the same kind was stopped.

    Args:
        tagger: Made with ``threads=1``.
        inputs: The photos.
        output: CSV, JSON Lines or Parquet file. Until the run is complete its rows stand in
            ``OUTPUT.part``.
        options: What else the rows depend on; a run with other options is not continued.
        progress: Told after every batch.

    Raises:
        HangtagError: No photos; the output can't be written or is one of the inputs; a part of
            another run is in the way.
        StoppedError: The user pressed Ctrl-C.
    """
    check_output(output)
    if inputs.include(output):
        raise HangtagError(f"{output}: is one of the inputs; choose another output")
    survey = inputs.survey()
    run = {"model": fingerprint(tagger.info), "photos": survey.digest, **options}
    part = PartFile(output, run, [attribute.name for attribute in tagger.attributes])
    resumed, replaced = part.done, output.exists()
    try:
        if progress:
            progress(part.done, survey.total, part.errors)
        for results in tag_each(tagger, inputs, survey, start=part.done):
            part.append(results)
            if progress:
                progress(part.done, survey.total, part.errors)
        part.finish()
    except KeyboardInterrupt as error:
        raise StoppedError(
            f"stopped: {part.done:,} of {survey.total:,} photos are kept in {part.path}; "
            "run the same command again to go on"
        ) from error
    finally:
        part.close()
    return Outcome(survey.total, part.errors, resumed, replaced, survey.notes)


def fingerprint(info: "ModelInfo") -> str:
    """Tell models apart, also such of the same name: everything in ``model.json`` counts."""
    digest = hashlib.sha256(info.model_dump_json().encode()).hexdigest()
    return f"{info.name} {digest[:16]}"
