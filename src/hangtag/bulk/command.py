"""The tag command: which engine and which output its options ask for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.bulk.inputs import Inputs
from hangtag.bulk.job import Outcome, tag_to, tag_to_file
from hangtag.bulk.standard_output import json_writer
from hangtag.bulk.terminal import TagTables, progress_bar
from hangtag.errors import HangtagError

if TYPE_CHECKING:
    from hangtag.tagger import Tagger


def run(
    tagger: "Tagger",
    inputs: Inputs,
    *,
    output: str | None,
    as_json: bool,
    on_ray: bool,
    options: dict[str, Any],
    progress: bool | None,
) -> Outcome:
    """Tag inputs into a file or onto standard output.

    Args:
        tagger: Made with ``options`` and ``threads=1``.
        inputs: The photos.
        output: File; with Ray a folder or URL; None for standard output.
        as_json: JSON lines on standard output instead of tables for reading.
        on_ray: Use a Ray cluster.
        options: What else than model and photos the tags depend on.
        progress: Whether to show it; None: if standard error is a terminal and no tables are
            printed in between.

    Raises:
        HangtagError: Standard output can't be written; see also `tag_to_file` and
            `hangtag.bulk.cluster.tag_on_ray`.
    """
    if progress is None:
        progress = sys.stderr.isatty() and (output is not None or as_json)
    with progress_bar(progress) as tell:
        if on_ray:
            from hangtag.bulk.cluster import tag_on_ray

            if output is None:
                raise HangtagError("--engine ray: writes Parquet parts; name a folder with -o")
            return tag_on_ray(tagger, inputs, output, options=options, progress=tell)
        if output is not None:
            return tag_to_file(tagger, inputs, Path(output), options=options, progress=tell)
        if as_json:
            return tag_to(tagger, inputs, json_writer(sys.stdout.buffer), progress=tell)
        names = [attribute.name for attribute in tagger.attributes]
        with TagTables(names, tagger.info.details) as tables:
            return tag_to(tagger, inputs, tables.write, progress=tell)
