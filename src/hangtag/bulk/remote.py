"""Photos behind URLs that the user names: http(s) by the standard library, others by fsspec.

Only the command line and the user's own tables lead here; the server never fetches anything.
"""

import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread

import hangtag
from hangtag.errors import HangtagError, require
from hangtag.photo import PhotoError

SECONDS_OF_SILENCE = 20
SECONDS_IN_ALL = 60
ATTEMPTS = 3
_WEB = ("http://", "https://")
_BLOCK = 2**16
_SECONDS_BETWEEN = 0.5
_SECONDS_TO_STOP = 0.2
_AS_IT_IS = "/%:@!$&'()*+,;=~?[]"
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_WORTH_ANOTHER_TRY = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def is_url(place: str) -> bool:
    """Whether a place is ``scheme://…`` rather than a local path."""
    scheme, found, _ = place.partition("://")
    return bool(found) and scheme.isidentifier()


def walk_remote(url: str, taken: Callable[[str], bool]) -> Iterator[str]:
    """URLs of the files ``taken`` below a folder of a file system that fsspec knows, sorted.

    A web address, and anything that is no folder, is itself the only photo.
    """
    if _is_web(url):
        yield url
        return
    system, path = require("scale", "fsspec.core").url_to_fs(url)
    if not system.isdir(path):
        yield url
        return
    for name in sorted(system.find(path)):
        if taken(name):
            yield system.unstrip_protocol(name)


def local_copy(url: str) -> Path:
    """Download a table to a temporary file of the same name.

    Raises:
        HangtagError: It can't be read.
    """
    fsspec = require("scale", "fsspec")
    try:
        return Path(fsspec.open_local(f"simplecache::{url}", simplecache={"same_names": True}))
    except Exception as error:
        # Every file system has exceptions of its own.
        raise HangtagError(f"{url}: can't be read ({error}); check the address") from error


def fetch(url: str, max_bytes: int, stop: Event | None = None) -> bytes:
    """Read what a URL points to.

    Args:
        url: http(s), or anything fsspec can open (``s3://``, ``gs://``, ``memory://``, …). Spaces
            and letters of any alphabet may stand in web addresses as they are.
        max_bytes: Nothing larger is read.
        stop: Once set, from another thread, nothing more is waited for.

    Raises:
        PhotoError: It can't be reached, answers with an error, is too slow or too large; or
            ``stop`` was set.
    """
    if stop is None:
        return _fetch(url, max_bytes, Event())
    outcome: Future[bytes] = Future()

    def work() -> None:
        try:
            outcome.set_result(_fetch(url, max_bytes, stop))
        except BaseException as error:  # noqa: BLE001  raised where the result is asked for
            outcome.set_exception(error)

    # A silent server can hold a thread for long; Python doesn't wait for a daemon at its exit.
    Thread(target=work, daemon=True).start()
    while not wait([outcome], _SECONDS_TO_STOP).done:
        if stop.is_set():
            raise _stopped(url)
    return outcome.result()


def _fetch(url: str, max_bytes: int, stop: Event) -> bytes:
    if not _is_web(url):
        return _fetch_by_fsspec(url, max_bytes)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _fetch_web(url, max_bytes, stop)
        except urllib.error.HTTPError as error:
            if error.code not in _WORTH_ANOTHER_TRY or attempt == ATTEMPTS:
                reason = f"{error.code} {error.reason}"
                raise _unreachable(url, reason) from error
        except (OSError, HTTPException, ValueError) as error:
            # URLError and time-outs are OSErrors; a malformed address is a ValueError.
            if isinstance(error, ValueError) or attempt == ATTEMPTS:
                raise _unreachable(url, str(getattr(error, "reason", error))) from error
        if stop.wait(_SECONDS_BETWEEN * attempt):
            raise _stopped(url)
    raise AssertionError("the last attempt returns or raises")


def _fetch_web(url: str, max_bytes: int, stop: Event) -> bytes:
    headers = {"User-Agent": f"hangtag/{hangtag.__version__}", "Accept": "image/*"}
    request = urllib.request.Request(web_address(url), headers=headers)
    end = time.monotonic() + SECONDS_IN_ALL
    data = bytearray()
    with urllib.request.urlopen(request, timeout=SECONDS_OF_SILENCE) as answer:
        while block := answer.read1(_BLOCK):
            data += block
            if stop.is_set():
                raise _stopped(url)
            if len(data) > max_bytes:
                raise _too_large(url, max_bytes)
            if time.monotonic() > end:
                raise TimeoutError(f"not complete after {SECONDS_IN_ALL} seconds")
        if answer.length:  # what the server promised and didn't send
            raise ConnectionError(f"{answer.length:,} bytes are missing at the end")
    return bytes(data)


def web_address(url: str) -> str:
    """A web address as servers understand it, of one as people write it.

    What is escaped already stays as it is.

    Raises:
        ValueError: It is malformed.
    """
    parts = urllib.parse.urlsplit(url)
    netloc = parts.netloc
    if not netloc.isascii():
        user, at, place = netloc.rpartition("@")
        host, colon, port = place.partition(":")
        netloc = f"{user}{at}{host.encode('idna').decode()}{colon}{port}"
    path, query = (
        urllib.parse.quote(_STRAY_PERCENT.sub("%25", text), _AS_IT_IS, errors="surrogateescape")
        for text in (parts.path, parts.query)
    )
    return urllib.parse.urlunsplit((parts.scheme, netloc, path, query, ""))


def _is_web(url: str) -> bool:
    return url.lower().startswith(_WEB)


def _fetch_by_fsspec(url: str, max_bytes: int) -> bytes:
    fsspec = require("scale", "fsspec")
    try:
        with fsspec.open(url, "rb") as file:
            data = file.read(max_bytes + 1)
    except Exception as error:
        # Every file system has exceptions of its own.
        raise _unreachable(url, str(error)) from error
    if len(data) > max_bytes:
        raise _too_large(url, max_bytes)
    return data


def _stopped(url: str) -> PhotoError:
    return PhotoError(f"{url}: not fetched, for the run was stopped; run it again")


def _unreachable(url: str, reason: str) -> PhotoError:
    return PhotoError(f"{url}: can't be fetched ({' '.join(reason.split())}); check the address")


def _too_large(url: str, max_bytes: int) -> PhotoError:
    return PhotoError(f"{url}: more than the {max_bytes:,} bytes allowed; make it smaller")
