"""Every hangtag command in the README and the docs has arguments that the program takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from hangtag.cli import app

ROOT = Path(__file__).parents[1]
ENDS = ("&&", "||", "|", ">", "&", ";")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> Iterator[list[str]]:
    """The words after ``hangtag`` of each command in a page's code blocks."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    for block in (text for language, text in blocks if language in ("", "sh", "bash")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if re.search(r"\bhangtag ", line) else []
            starts = True
            for at, word in enumerate(words):
                if starts and word in ("hangtag", ".venv/bin/hangtag"):
                    after = words[at + 1 :]
                    ends = [after.index(end) for end in ENDS if end in after]
                    yield after[: min(ends, default=len(after))]
                starts = word in ENDS or (starts and "=" in word)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_are_understood(page: Path) -> None:
    group = typer.main.get_command(app)
    for words in commands(page):
        if not words or words[0].startswith("<"):
            continue
        command = group.commands[words[0]]  # type: ignore[attr-defined]
        if "--help" not in words:
            command.make_context(words[0], words[1:])


def test_there_are_commands_to_check() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 15
