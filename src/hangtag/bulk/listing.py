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
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fnmatch import translate
from itertools import islice
from pathlib import Path
from typing import TextIO

_CHUNK = 50_000
"""Names sorted at a time: some megabytes."""

# Before a name, so that files come before folders.
_FILE, _FOLDER = "0", "1"


def walk(root: Path) -> Iterator[str]:
    """Names of all files below a folder, without hidden ones and without following links.

    Yields:
        POSIX paths relative to ``root``: of each folder first the files, then the folders, both
        by name. Folders that may not be read are passed over.
    """
    yield from _walk(str(root), "")


def matches(pattern: str) -> Iterator[str]:
    """Files and folders that a glob pattern matches, sorted; ``**`` stands for any depth."""
    folder, name = os.path.split(pattern)
    if name == "**" or glob.has_magic(folder):
        found = glob.iglob(pattern, recursive=True)  # noqa: PTH207  also absolute ones
    else:
        # The usual case; glob would hold the names of the whole folder.
        found = _in_folder(folder, name)
    return in_order(found)


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
    for entry in in_order(_entries(folder)):
        name = entry[1:]
        if entry.startswith(_FOLDER):
            yield from _walk(os.path.join(folder, name), f"{inside}{name}/")  # noqa: PTH118
        else:
            yield f"{inside}{name}"


def _entries(folder: str) -> Iterator[str]:
    """What is to be listed of a folder: names with their kind before them."""
    try:
        entries = os.scandir(folder)
    except OSError:
        return
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


def _in_folder(folder: str, name: str) -> Iterator[str]:
    fits = re.compile(translate(os.path.normcase(name))).match
    try:
        entries = os.scandir(folder or ".")
    except OSError:
        return
    with entries:
        for entry in entries:
            hidden = entry.name.startswith(".") and not name.startswith(".")
            if not hidden and fits(os.path.normcase(entry.name)):
                yield os.path.join(folder, entry.name)  # noqa: PTH118
