"""What the user sees of a run: tags as tables, progress with rate and time left."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from hangtag.attributes import TYPE, TYPE_PARENTS
from hangtag.bulk.standard_output import explained
from hangtag.photo import printable

if TYPE_CHECKING:
    from hangtag.bulk.job import Progress
    from hangtag.tags import PhotoTags, Tag

ROWS_AT_A_TIME = 40
"""Photos in one table on the terminal; their widths are not known before all are tagged."""

_WIDE = 110
"""Columns of text that a table of all seven attributes needs."""

_LONGEST_NAME = 25
"""Characters of a photo's name that a table shows."""

_UNKNOWN = "not like any product that the model was trained on"
_STYLES = {"accept": "green", "review": "yellow"}


class TagTables:
    """Prints results as tables: a single photo's tags one a line, those of many one row a photo.

    Args:
        attributes: Names of those that are tagged.
        details: Which of them only some photos have; they share a column.

    Many photos are followed by what the marks mean and how many of their tags are accepted.
    """

    def __init__(self, attributes: Sequence[str], details: Collection[str] = ()):
        self._attributes = [name for name in attributes if name not in details]
        self._details = [name for name in attributes if name in details]
        self._waiting: list[PhotoTags] = []
        self._console = Console()
        self._printed = False
        self._decisions: Counter[str] = Counter()

    def write(self, results: Sequence["PhotoTags"]) -> None:
        """Take results, and print them once there are enough for a table."""
        self._waiting.extend(results)
        if len(self._waiting) >= ROWS_AT_A_TIME:
            self._print_many()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Also after Ctrl-C: what is done is shown.
        if len(self._waiting) == 1 and not self._printed:
            self._print_one(self._waiting[0])
            return
        if self._waiting:
            self._print_many()
        if self._decisions:
            self._print(Text(_legend(self._decisions), "dim"))

    def _print(self, shown: Table | Text) -> None:
        with explained():
            self._console.print(shown)

    def _print_one(self, result: "PhotoTags") -> None:
        if result.error:
            self._print(Text(printable(result.error), "red"))
            return
        table = Table(title=Text(printable(result.photo)), title_justify="left")
        for heading in ("attribute", "value", "confidence", "decision", "alternatives"):
            table.add_column(heading, justify="right" if heading == "confidence" else "left")
        for name, tag in result.tags.items():
            others = ", ".join(
                f"{other.value} {other.confidence:.0%}" for other in tag.alternatives
            )
            decision = Text(tag.decision, _STYLES.get(tag.decision, ""))
            table.add_row(name, Text(tag.value), f"{tag.confidence:.1%}", decision, Text(others))
        self._print(table)
        if result.known_product is False:
            self._print(Text(_UNKNOWN, "yellow"))
        if result.turned:
            self._print(Text(_turned(result), "dim"))

    def _print_many(self) -> None:
        shown = self._shown()
        folder = _common_folder([result.photo for result in self._waiting])
        table = Table(pad_edge=False, box=SIMPLE_HEAD, title_justify="left")
        if folder:
            table.title = Text(f"in {printable(folder)}", "italic")
        table.add_column("photo", no_wrap=True)
        for name in shown:
            table.add_column(_words(name))
        if self._details:
            table.add_column("details")
        for result in self._waiting:
            cells = [_cell(result.tags.get(name)) for name in shown]
            if self._details:
                cells.append(self._detail_cell(result))
            table.add_row(Text(_elided(printable(result.photo[len(folder) :]))), *cells)
            self._decisions.update(tag.decision for tag in result.tags.values())
        self._print(table)
        left_out = [name for name in self._attributes if name not in shown]
        if left_out:
            names = ", ".join(left_out)
            self._print(Text(f"{names}: in a wider window, or with --json", "dim"))
        for result in self._waiting:
            if result.error:
                self._print(Text(printable(result.error), "red"))
            elif result.known_product is False:
                self._print(Text(f"{printable(result.photo)}: {_UNKNOWN}", "yellow"))
            if result.turned:
                self._print(Text(f"{printable(result.photo)}: {_turned(result)}", "dim"))
        self._waiting.clear()
        self._printed = True

    def _detail_cell(self, result: "PhotoTags") -> Text:
        found = [(name, result.tags[name]) for name in self._details if name in result.tags]
        lines = [Text.assemble(f"{_words(name)} ", _cell(tag)) for name, tag in found]
        return Text("\n").join(lines)

    def _shown(self) -> list[str]:
        """Where there is little room, without the categories, which the article type implies."""
        if TYPE not in self._attributes or self._console.width >= _WIDE:
            return list(self._attributes)
        return [name for name in self._attributes if name not in TYPE_PARENTS]


def _words(name: str) -> str:
    """A name in words, so that a heading breaks between them: ``article type``."""
    if not name.replace(" ", "").isalnum():
        return name
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _turned(result: "PhotoTags") -> str:
    return f"turned by {result.turned}° clockwise to be upright"


def _cell(tag: "Tag | None") -> Text:
    if tag is None:
        return Text("")
    mark = " ?" if tag.decision == "review" else ""
    return Text(f"{tag.value} {tag.confidence:.0%}{mark}", _STYLES.get(tag.decision, ""))


def _legend(decisions: Counter[str]) -> str:
    return (
        f"? = please look: less sure than --precision asks. "
        f"{decisions['accept']:,} of {decisions.total():,} tags accepted"
    )


def _common_folder(photos: Sequence[str]) -> str:
    """The folder that all of them lie in, up to its slash."""
    folders = {name[: max(name.rfind("/"), name.rfind(os.sep)) + 1] for name in photos}
    return folders.pop() if len(folders) == 1 else ""


def _elided(name: str) -> str:
    """A name short enough for a column: the middle goes, for names differ at the end."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} photos/s" if task.speed else "")


@contextmanager
def progress_bar(shown: bool) -> Iterator["Progress | None"]:
    """A bar on standard error with rate, time left and the number of errors."""
    if not shown:
        yield None
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="red"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("tag", total=None, note="")
        started = False

        def tell(done: int, total: int, errors: int) -> None:
            nonlocal started
            if not started:
                # Rows of an earlier run don't count for the rate.
                bar.reset(task, total=total, completed=done)
                started = True
            note = f"{errors:,} with errors" if errors else ""
            bar.update(task, total=total, completed=done, note=note)

        yield tell
