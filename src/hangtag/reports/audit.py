"""The contact sheet of an audit: suspicious labels with their photos in one HTML file."""

from collections import Counter
from typing import TYPE_CHECKING, get_args

from hangtag.audit import Audit, Finding, Kind
from hangtag.corrections import SURE
from hangtag.reports.cards import Photos
from hangtag.reports.page import render

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

SHOWN = 100
"""Findings of each attribute that are shown with their photos; the table of findings has all."""

KINDS: tuple[Kind, ...] = get_args(Kind)


def contact_sheet(audit: Audit, catalogue: "Catalogue") -> str:
    """Write the surest findings of each attribute as HTML, with photos.

    Args:
        audit: What was found.
        catalogue: In it.
    """
    photos = Photos(catalogue)
    by_attribute: dict[str, list[Finding]] = {}
    for one in audit.findings:
        by_attribute.setdefault(one.attribute, []).append(one)
    counts = {name: Counter(one.kind for one in found) for name, found in by_attribute.items()}
    kinds = [kind for kind in KINDS if any(counter[kind] for counter in counts.values())]
    return render(
        "audit.html.j2",
        title=f"Labels to look at in {catalogue.source.name}",
        subtitle=f"{len(audit.findings):,} suspicions about {len(catalogue):,} products",
        lead=list(_summary(audit, by_attribute)),
        sections=[(f"attribute-{at}", name) for at, name in enumerate(by_attribute)],
        kinds=kinds,
        counts=[
            [name, *(counter[kind] for kind in kinds), sum(one.score >= SURE for one in found)]
            for (name, counter), found in zip(counts.items(), by_attribute.values(), strict=True)
        ],
        sure=SURE,
        attributes=[
            {
                "name": name,
                "total": len(found),
                "cards": [
                    photos.card(
                        [one.row],
                        [one.id, f"{one.given} → {one.suggested or '?'}", one.reason],
                        "wrong" if one.score >= SURE else "",
                    )
                    for one in found[:SHOWN]
                ],
            }
            for name, found in by_attribute.items()
        ],
        left_out=audit.left_out,
    )


def _summary(audit: Audit, by_attribute: dict[str, list[Finding]]) -> list[str]:
    if not audit.findings:
        return ["No label looks wrong."]
    most = max(by_attribute, key=lambda name: len(by_attribute[name]))
    sure = sum(one.score >= SURE and bool(one.suggested) for one in audit.findings)
    return [
        f"{len(audit.findings):,} labels look wrong, most of them of {most}.",
        f"{sure:,} have a suggestion with a score of at least {SURE}.",
        "A suspicion is no proof: look before you correct.",
    ]
