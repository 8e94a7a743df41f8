"""A review: what the model suggests for each photo, and what a person decided about it.

Plain data and rules, no web page. A tag is open as long as the model is unsure of it and no person
has looked at it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hangtag.attributes import TYPE, Attribute, Taxonomy

if TYPE_CHECKING:
    from hangtag.tags import Tag

Show = Literal["all", "to review", "decided by a person", "problems"]
"""Which photos of a review a page lists."""


@dataclass
class ReviewedTag:
    """The model's suggestion for one attribute of one photo, and the value that holds now.

    ``value`` is None when a person took the tag away. ``questioned`` is a tag that contradicts what
    a person decided about another. ``followed`` is a category that came along with an article type
    which a person decided; it goes when that decision is taken back.
    """

    suggestion: "Tag"
    value: str | None
    decided_by: Literal["model", "person"] = "model"
    questioned: bool = False
    followed: bool = False

    def decide(self, value: str | None, *, followed: bool = False) -> None:
        """Let a value hold because a person says so."""
        self.value, self.decided_by, self.followed = value, "person", followed

    def restore(self) -> None:
        """Let the model's suggestion hold again."""
        self.value, self.decided_by, self.followed = self.suggestion.value, "model", False

    @property
    def open(self) -> bool:
        """Whether a person should look: the model is unsure, or contradicts a person's decision."""
        unsure = self.questioned or self.suggestion.decision == "review"
        return unsure and self.decided_by == "model"

    @property
    def guesses(self) -> dict[str, float]:
        """The model's confidence in its suggestion and in the other values it considered."""
        others = {other.value: other.confidence for other in self.suggestion.alternatives}
        return {self.suggestion.value: self.suggestion.confidence} | others

    @property
    def corrected(self) -> bool:
        """Whether a person chose another value than the model."""
        return self.value != self.suggestion.value


@dataclass
class ReviewedPhoto:
    """One photo of a review: its file, its small picture (JPEG) and its tags, or its error.

    ``turned`` is by how many degrees it was turned clockwise; the small picture shows it so.
    ``found_details`` are the model's word on the article type that it saw.
    """

    key: str
    name: str
    path: Path | None = None
    thumbnail: bytes | None = None
    tags: dict[str, ReviewedTag] = field(default_factory=dict)
    model: str = ""
    known_product: bool | None = None
    turned: int = 0
    error: str | None = None
    found_details: dict[str, ReviewedTag] = field(default_factory=dict)

    @property
    def open_attributes(self) -> list[str]:
        """Attributes that a person should look at."""
        return [attribute for attribute, tag in self.tags.items() if tag.open]

    @property
    def details(self) -> dict[str, ReviewedTag]:
        """What the model says of details; nothing once a person chose another article type."""
        kind = self.tags.get(TYPE)
        return {} if kind is not None and kind.corrected else self.found_details

    @property
    def touched(self) -> bool:
        """Whether a person decided any of its tags."""
        return any(tag.decided_by == "person" for tag in self.tags.values())

    @property
    def doubt(self) -> float:
        """How unsure the model is of the worst open tag: 0 (nothing open) to 1."""
        return max(
            (1 - tag.suggestion.confidence for tag in self.tags.values() if tag.open), default=0
        )


@dataclass(frozen=True)
class Counts:
    """How far a review is."""

    photos: int
    problems: int
    tags: int
    open: int
    by_person: int
    corrected: int


class Review:
    """All photos of one sitting and every decision about them.

    Args:
        attributes: What the model tags, with the vocabularies that a person may choose from.
        taxonomy: Which sub- and master category go with each article type; a correction of the
            article type brings them along.
    """

    def __init__(self, attributes: Sequence[Attribute], taxonomy: Taxonomy | None = None) -> None:
        self.attributes = list(attributes)
        self.taxonomy = taxonomy or Taxonomy()
        self.photos: dict[str, ReviewedPhoto] = {}

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def names(self) -> list[str]:
        """Names of the attributes, in the model's order."""
        return [attribute.name for attribute in self.attributes]

    def _all(self) -> list[ReviewedPhoto]:
        # A copy: another tab of the same sitting may be adding photos.
        return list(self.photos.values())

    def vocabulary(self, attribute: str) -> tuple[str, ...]:
        """Values that an attribute can take."""
        return next(known.values for known in self.attributes if known.name == attribute)

    def add(self, photo: ReviewedPhoto) -> None:
        """Take a photo in; its key must be new."""
        self.photos[photo.key] = photo

    def correct(self, key: str, attribute: str, value: str | None) -> None:
        """Decide a tag as a person; None takes it away.

        A new article type brings its sub- and master category along, unless a person decided those.
        A category that contradicts the model's article type opens that one for review, and a
        category of the model's that contradicts a person's article type is opened itself.

        Raises:
            ValueError: The value isn't in the vocabulary.
        """
        if value is not None and value not in self.vocabulary(attribute):
            raise ValueError(f"{value} is no value of {attribute}; choose one of its vocabulary")
        photo = self.photos[key]
        photo.tags[attribute].decide(value)
        if attribute == TYPE:
            self._follow(photo, value)
        self._question(photo)

    def confirm(self, key: str, attributes: Iterable[str] | None = None) -> None:
        """Say as a person that tags are right as they stand; default: all that are open."""
        photo = self.photos[key]
        for attribute in photo.open_attributes if attributes is None else attributes:
            photo.tags[attribute].decide(photo.tags[attribute].value)
        self._question(photo)

    def reopen(self, key: str, attribute: str) -> None:
        """Take a person's decision back: the model's suggestion holds again.

        Categories that came along with an article type go back with it.
        """
        photo = self.photos[key]
        photo.tags[attribute].restore()
        if attribute == TYPE:
            self._follow(photo, None)
        self._question(photo)

    def _follow(self, photo: ReviewedPhoto, article_type: str | None) -> None:
        for level in self.taxonomy.levels:
            tag = photo.tags.get(level)
            if tag is None or (tag.decided_by == "person" and not tag.followed):
                continue
            tag.restore()
            parent = self.taxonomy.parent(article_type, level) if article_type else None
            if parent is not None and parent != tag.value:
                tag.decide(parent, followed=True)

    def _question(self, photo: ReviewedPhoto) -> None:
        """Find out anew which of the model's tags contradict what a person decided."""
        kind = photo.tags.get(TYPE)
        if kind is None:
            return
        kind.questioned = False
        for level in self.taxonomy.levels:
            tag = photo.tags.get(level)
            if tag is None:
                continue
            parent = self.taxonomy.parent(kind.value, level) if kind.value else None
            differs = parent is not None and tag.value is not None and parent != tag.value
            tag.questioned = differs and kind.decided_by == "person"
            kind.questioned |= differs and tag.decided_by == "person"

    def find(
        self,
        show: Show = "all",
        *,
        values: Mapping[str, Collection[str]] | None = None,
        name: str = "",
        doubtful_first: bool = True,
    ) -> list[ReviewedPhoto]:
        """List photos.

        Args:
            show: Which of them.
            values: Attribute and the values of which the photo must have one; no values: any.
            name: Part of the file's name, in any case.
            doubtful_first: Broken photos first, then those that the model doubts most; otherwise in
                the order in which they came.
        """
        wanted = {attribute: set(some) for attribute, some in (values or {}).items() if some}
        found = [
            photo
            for photo in self._all()
            if _shown(photo, show)
            and name.lower() in photo.name.lower()
            and all(
                attribute in photo.tags and photo.tags[attribute].value in some
                for attribute, some in wanted.items()
            )
        ]
        if doubtful_first:
            found.sort(key=lambda photo: (photo.error is None, -photo.doubt))
        return found

    def used(self, attribute: str) -> list[tuple[str, int]]:
        """Values that occur for an attribute, with their counts, most frequent first."""
        counts = Counter(
            photo.tags[attribute].value for photo in self._all() if attribute in photo.tags
        )
        return [(value, count) for value, count in counts.most_common() if value is not None]

    def open_counts(self) -> dict[str, int]:
        """Number of open tags for each attribute."""
        counts = Counter(attribute for photo in self._all() for attribute in photo.open_attributes)
        return {name: counts[name] for name in self.names}

    def counts(self) -> Counts:
        """How far the review is."""
        tags = [tag for photo in self._all() for tag in photo.tags.values()]
        return Counts(
            photos=len(self.photos),
            problems=sum(photo.error is not None for photo in self._all()),
            tags=len(tags),
            open=sum(tag.open for tag in tags),
            by_person=sum(tag.decided_by == "person" for tag in tags),
            corrected=sum(tag.corrected for tag in tags),
        )


def _shown(photo: ReviewedPhoto, show: Show) -> bool:
    if show == "to review":
        return bool(photo.open_attributes)
    if show == "decided by a person":
        return photo.touched
    if show == "problems":
        return photo.error is not None
    return True
