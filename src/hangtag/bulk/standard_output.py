"""Standard output, which may be a full disk or a pipe that nobody reads any more."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from hangtag.bulk.outputs import json_line
from hangtag.errors import HangtagError

if TYPE_CHECKING:
    from hangtag.tags import PhotoTags


@contextmanager
def explained() -> Iterator[None]:
    """Say in one line why standard output can't be written to.

    Raises:
        HangtagError: Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        # Or Python would try again when it exits, and complain.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        raise HangtagError(
            f"standard output: can't be written ({error.strerror or error}); "
            "free some space, or name a file with -o"
        ) from error


def json_writer(stream: BinaryIO) -> Callable[[list["PhotoTags"]], None]:
    """What writes results to a stream as JSON lines, as soon as they are there."""

    def write(results: list["PhotoTags"]) -> None:
        with explained():
            stream.write(b"".join(json_line(result.to_dict()) for result in results))
            stream.flush()

    return write
