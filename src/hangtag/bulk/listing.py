"""Names of files in a fixed order, however many there are.

A folder is read entry by entry and sorted in chunks, which wait in temporary files once there is
more than one; so a folder of a million photos takes no more memory than one of fifty thousand.
"""

import glob
import heapq
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from fnmatch import translate
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hangtag.errors import HangtagError

_CHUNK = 50_000
"""Names sorted at a time: some megabytes."""

# Before a name, so that files come before folders.
_FILE, _FOLDER = "0", "1"

_ANY_DEPTH = "**"
_Test = Callable[[str], bool]

if TYPE_CHECKING:
    _Scan = os._ScandirIterator[str]


def walk(root: Path) -> Iterator[str]:
    """Names of all files below a folder, without hidden ones and without following links.

    Yields:
        POSIX paths relative to ``root``: of each folder first the files, then the folders, both
        by name. One that ends in a slash is a folder that can't be listed.
    """
    yield from _walk(str(root), "")


def matches(pattern: str, taken: Callable[[str], bool] = lambda _: True) -> Iterator[str]:
    """Files and folders that a glob pattern matches, sorted; ``**`` stands for any depth.

    Folders behind links are not followed. With ``**``, folders are searched right here, so that
    each file comes once.

    Args:
        pattern: As of `glob.glob`.
        taken: Which names are taken of a folder that matches a pattern with ``**``.

    Raises:
        HangtagError: A folder can't be listed.
    """
    folder, name = os.path.split(pattern)
    if _ANY_DEPTH in _parts(pattern):
        yield from _at_any_depth(pattern, taken)
    elif glob.has_magic(folder):
        found = glob.iglob(pattern)  # noqa: PTH207  also absolute ones
        yield from in_order(match for match in found if not _through_link(match, pattern))
    else:
        # The usual case; glob would hold the names of the whole folder.
        yield from in_order(_in_folder(folder, name))


def in_order(names: Iterable[str]) -> Iterator[str]:
    """Sort any number of names, on disk where they are many."""
    remaining = iter(names)
    with ExitStack() as files:
        chunks: list[Iterator[str]] = []
        while chunk := sorted(islice(remaining, _CHUNK)):
            if not chunks and len(chunk) < _CHUNK:
                yield from chunk
                return
            # As JSON, which keeps line breaks in names, and bytes in them that are no text.
            file = files.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))
            file.writelines(json.dumps(name) + "\n" for name in chunk)
            chunk.clear()  # or it would be there while the next one is read
            chunks.append(_read(file))
        yield from heapq.merge(*chunks)


def _read(file: TextIO) -> Iterator[str]:
    file.seek(0)
    for line in file:
        yield json.loads(line)


def _walk(folder: str, inside: str) -> Iterator[str]:
    try:
        entries = os.scandir(folder)
    except OSError:
        yield inside or "./"
        return
    for entry in in_order(_entries(entries)):
        name = entry[1:]
        if entry.startswith(_FOLDER):
            yield from _walk(os.path.join(folder, name), f"{inside}{name}/")  # noqa: PTH118
        else:
            yield f"{inside}{name}"


def _entries(entries: "_Scan") -> Iterator[str]:
    """What is to be listed of a folder: names with their kind before them."""
    with entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            try:
                is_folder = entry.is_dir()
                leads_elsewhere = is_folder and entry.is_symlink()
            except OSError:
                is_folder = leads_elsewhere = False
            if not leads_elsewhere:
                yield (_FOLDER if is_folder else _FILE) + entry.name


def _parts(pattern: str) -> list[str]:
    return pattern.replace(os.sep, "/").rstrip("/").split("/")


def _literal(parts: Sequence[str]) -> int:
    """How many of a pattern's parts come before the first that is none but a name."""
    return next(at for at, part in enumerate(parts) if glob.has_magic(part))


def _at_any_depth(pattern: str, taken: Callable[[str], bool]) -> Iterator[str]:
    parts = _parts(pattern)
    literal = _literal(parts)
    root = "".join(f"{part}/" for part in parts[:literal])
    tests = [None if part == _ANY_DEPTH else _test(part) for part in parts[literal:]]
    for name in walk(Path(root)):
        steps = name.rstrip("/").split("/")
        in_folder = any(_fits(steps[:depth], tests) for depth in range(len(steps)))
        # What ends in ** means folders; their other files are none that were named.
        named = tests[-1] is not None and _fits(steps, tests)
        if name.endswith("/") or named or (in_folder and taken(name)):
            yield root + name


def _fits(steps: Sequence[str], tests: Sequence[_Test | None]) -> bool:
    """Whether a path fits a pattern, step by step; None stands for any number of steps."""
    if not tests:
        return not steps
    if tests[0] is None:
        return any(_fits(steps[skipped:], tests[1:]) for skipped in range(len(steps) + 1))
    return bool(steps) and tests[0](steps[0]) and _fits(steps[1:], tests[1:])


def _test(part: str) -> _Test:
    fits = re.compile(translate(os.path.normcase(part))).match
    return lambda name: fits(os.path.normcase(name)) is not None


def _through_link(match: str, pattern: str) -> bool:
    steps = match.replace(os.sep, "/").rstrip("/").split("/")
    depths = range(_literal(_parts(pattern)) + 1, len(steps) + 1)
    paths = ("/".join(steps[:depth]) for depth in depths)
    return any(os.path.islink(path) and os.path.isdir(path) for path in paths)  # noqa: PTH112, PTH114


def _in_folder(folder: str, name: str) -> Iterator[str]:
    fits = _test(name)
    try:
        entries = os.scandir(folder or ".")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise HangtagError(
            f"{folder or '.'}: can't be listed ({error.strerror}); check the folder's rights"
        ) from error
    with entries:
        for entry in entries:
            hidden = entry.name.startswith(".") and not name.startswith(".")
            if not hidden and fits(entry.name) and not (entry.is_symlink() and entry.is_dir()):
                yield os.path.join(folder, entry.name)  # noqa: PTH118
