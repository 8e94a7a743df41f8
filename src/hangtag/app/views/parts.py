"""Small pieces of HTML and wording that several views share."""

import re
from html import escape

from hangtag.app.pictures import data_uri
from hangtag.app.review import Counts, ReviewedPhoto, ReviewedTag
from hangtag.catalogue import Catalogue


def words(attribute: str) -> str:
    """Name an attribute as a person would: ``articleType`` is "Article type"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", attribute).capitalize()


def plural(count: int, one: str, many: str) -> str:
    """Count things: "1 photo", "1,204 photos"."""
    return f"{count:,} {one if count == 1 else many}"


def percent(share: float) -> str:
    """Write a share of 0 to 1; never 0 or 100 % for what isn't certain."""
    rounded = round(100 * share)
    if rounded == 100 and share < 1:
        return "> 99 %"
    if rounded == 0 and share > 0:
        return "< 1 %"
    return f"{rounded} %"


def plain(text: str) -> str:
    """Keep Markdown from reading a text that isn't ours, such as a file's name."""
    return re.sub(r"([\\`*_{}\[\]()#+\-!|$:~<>&])", r"\\\1", text)


def hero(title: str, text: str) -> str:
    """Head a page."""
    return f'<div class="ht-hero"><h1>{escape(title)}</h1><p>{escape(text)}</p></div>'


def summary(counts: Counts) -> str:
    """Say in one line how far a review is."""
    accepted = counts.tags - counts.open - counts.by_person
    entries = [
        (f"{counts.photos:,}", "photo" if counts.photos == 1 else "photos", ""),
        (percent(accepted / counts.tags) if counts.tags else "–", "accepted by the model", ""),
        (f"{counts.open:,}", "to review", "doubt" if counts.open else ""),
        (f"{counts.by_person:,}", f"decided by you, {counts.corrected:,} corrected", ""),
        (f"{counts.problems:,}", "problem" if counts.problems == 1 else "problems",
         "bad" if counts.problems else ""),
    ]  # fmt: skip
    return _line(entries)


def _line(entries: list[tuple[str, str, str]]) -> str:
    """Numbers with what they count and their colours, side by side."""
    spans = "".join(
        f'<span class="{kind}"><b>{number}</b> {text}</span>' for number, text, kind in entries
    )
    return f'<div class="ht-summary">{spans}</div>'


def catalogue_summary(catalogue: Catalogue) -> str:
    """Say in one line what a catalogue holds."""
    photos = catalogue.table.height - catalogue.table["photo"].null_count()
    problems = len(catalogue.problems)
    entries = [
        (escape(catalogue.source.name), "", ""),
        (f"{len(catalogue):,}", "products", ""),
        (f"{photos:,}", "photos", ""),
        (f"{len(catalogue.attributes):,}", "attributes", ""),
        (f"{problems:,}", "problem" if problems == 1 else "problems", "doubt" if problems else ""),
    ]
    return _line(entries)


def legend() -> str:
    """Explain the colours of the bars."""
    return (
        '<div class="ht-legend"><span><i></i>accepted</span>'
        '<span><i class="doubt"></i>please review</span>'
        "<span>The bar is the model’s confidence.</span></div>"
    )


def card(photo: ReviewedPhoto) -> str:
    """One photo with all its tags, or its error."""
    if photo.error is not None:
        picture = '<div class="ht-photo ht-broken" aria-hidden="true">!</div>'
        body = f'<div class="ht-error" role="alert">{escape(photo.error)}</div>'
    else:
        picture = (
            f'<div class="ht-photo"><img src="{data_uri(photo.thumbnail or b"")}" '
            f'alt="{escape(photo.name)}" loading="lazy"></div>'
        )
        body = "".join(_tag(name, tag) for name, tag in photo.tags.items())
        if photo.known_product is False:
            body = f'<p class="ht-note">{UNKNOWN_PRODUCT}</p>' + body
    name = escape(photo.name)
    title = f'<span class="ht-name" title="{name}">{name}</span>{_chip(photo)}'
    return f'{picture}<div class="ht-head">{title}</div>{body}'


UNKNOWN_PRODUCT = "Looks like nothing the model has learnt; check every tag."
"""What is said about a photo outside of the model's domain."""


def _chip(photo: ReviewedPhoto) -> str:
    if photo.error is not None:
        return '<span class="ht-chip bad">problem</span>'
    if photo.open_attributes:
        return f'<span class="ht-chip doubt">{len(photo.open_attributes)} to review</span>'
    return '<span class="ht-chip">settled</span>'


def _tag(name: str, tag: ReviewedTag) -> str:
    confidence = tag.suggestion.confidence
    kind, side = "", percent(confidence)
    if tag.decided_by == "person":
        kind, side = "person", "corrected" if tag.corrected else "confirmed"
        confidence = 1.0
    elif tag.open:
        kind, side = "doubt", f"review · {side}"
    return (
        f'<div class="ht-tag {kind}"><span class="ht-label">{escape(words(name))}</span>'
        f'<span class="ht-value" title="{escape(tag.value or "none")}">'
        f'{escape(tag.value or "none")}</span><span class="ht-percent">{side}</span>'
        f'<span class="ht-bar"><i style="width:{100 * confidence:.0f}%"></i></span></div>'
    )
