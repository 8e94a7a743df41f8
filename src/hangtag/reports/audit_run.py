"""From a catalogue to the table of findings, their contact sheet, and a corrected catalogue."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hangtag.audit import LISTED, Audit, audit
from hangtag.corrections import (
    SURE,
    corrected,
    read_findings,
    write_corrected,
    write_findings,
)
from hangtag.errors import HangtagError
from hangtag.progress import Progress
from hangtag.reports.audit import contact_sheet as sheet_of

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue


def run(
    catalogue: "Catalogue",
    *,
    model: str = "default",
    attributes: Sequence[str] | None = None,
    least: float | None = None,
    output: Path | None = None,
    contact_sheet: Path | None = None,
    apply: Path | None = None,
    sure: float | None = None,
    reviewed: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Audit, list[str]]:
    """Audit a catalogue and write what is asked for.

    Args:
        catalogue: Whose labels.
        model: As for `hangtag.audit.audit`.
        attributes: As for `hangtag.audit.audit`; with ``reviewed``, others are left as they
            are.
        least: As for `hangtag.audit.audit`; default: `hangtag.audit.LISTED`, or ``sure`` if that is
            lower.
        output: Table of the findings, CSV.
        contact_sheet: The surest findings with photos, HTML.
        apply: New folder for a corrected catalogue; with ``reviewed``, every suggestion in that
            table is applied, otherwise the findings that are at least ``sure``.
        sure: Score from 0 to 1; default: `hangtag.corrections.SURE`.
        reviewed: Table of findings that a person has been through; nothing else is looked for, and
            ``least`` and ``sure`` aren't taken beside it.
        progress: As for `hangtag.audit.audit`.

    Returns:
        What was found, and lines that say what was done.

    Raises:
        HangtagError: As for `hangtag.audit.audit`; a file that can't be read or written;
            ``least`` or ``sure`` beside ``reviewed``.
    """
    if reviewed is not None and (least is not None or sure is not None):
        raise HangtagError(
            "--reviewed applies all that the table suggests, so --sure and --least say nothing; "
            "leave them out"
        )
    # Checked first: an audit takes minutes.
    for path in (output, contact_sheet, apply):
        if path is not None and not path.absolute().parent.is_dir():
            raise HangtagError(f"{path}: there is no folder {path.parent}; make it first")
    if apply is not None and apply.exists() and (apply.is_file() or any(apply.iterdir())):
        raise HangtagError(f"{apply}: is there already; give a new folder")
    sure = SURE if sure is None else sure
    if reviewed is None:
        found = audit(
            catalogue,
            model=model,
            attributes=attributes,
            least=min(LISTED, sure) if least is None else least,
            progress=progress,
        )
    else:
        for name in attributes or ():
            catalogue.labels(name)  # raises where there is no such attribute
        findings = read_findings(reviewed, catalogue)
        asked = catalogue.attributes if attributes is None else attributes
        found = Audit([one for one in findings if one.attribute in asked], [])
    lines = [f"{len(found.findings):,} suspicious labels", *found.left_out]
    if output is not None:
        write_findings(found.findings, output)
        lines.append(f"{output}: all of them")
    if contact_sheet is not None:
        contact_sheet.write_text(sheet_of(found, catalogue), encoding="utf-8")
        lines.append(f"{contact_sheet}: the surest with their photos")
    if apply is not None:
        better, changes = corrected(catalogue, found.findings, sure=sure)
        write_corrected(better, changes, apply)
        lines.append(f"{apply}: the catalogue with {len(changes):,} labels corrected")
    return found, lines
