"""What a request may cost before anyone looks into it: a key, bytes, seconds, shared memory."""

import asyncio
import secrets

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hangtag.server import docs
from hangtag.server.problems import BUSY, TOO_LARGE, TOO_SLOW, UNAUTHORISED, Problem
from hangtag.server.settings import MEBIBYTE, Settings

API_KEY_HEADER = "X-API-Key"
RETRY_SOON = {"Retry-After": "1"}

_OPEN = frozenset({"/health", "/openapi.json"}) | docs.PATHS
_OTHER_BODY = MEBIBYTE // 16  # no other address has a use for a body
_LAST_WORDS_SECONDS = 2.0


class Limits:
    """ASGI middleware: refuses what is too much while it streams in, not after it was stored."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._key = settings.api_key.encode()
        self._timeout = settings.timeout
        self._budget = int(settings.max_memory_mb * MEBIBYTE)
        self._held = 0
        self._max_discarded = int(settings.max_upload_mb * MEBIBYTE)
        self._max_body = settings.max_bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a ``receive`` that enforces the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self, scope, receive)

        async def unhurried_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.discard()
            await send(message)

        try:
            self._check_key(scope, body.headers)
            body.check_announced()
            await self._app(scope, body.receive, unhurried_send)
        except Problem as problem:
            await problem.response(scope)(scope, receive, unhurried_send)
        finally:
            self._held -= body.size

    def _check_key(self, scope: Scope, headers: Headers) -> None:
        if not self._key or scope["path"] in _OPEN:
            return
        given = headers.get(API_KEY_HEADER) or headers.get("authorization", "").removeprefix(
            "Bearer "
        )
        # Header values are bytes that the framework shows as Latin-1.
        if not secrets.compare_digest(given.encode("latin-1"), self._key):
            raise Problem(
                UNAUTHORISED,
                "this server answers only requests with its API key",
                f"send the key in the header {API_KEY_HEADER}, or as Authorization: Bearer",
                {"WWW-Authenticate": "Bearer"},
            )

    def _hold(self, size: int) -> None:
        if self._held + size > self._budget:
            raise Problem(
                BUSY, "too many uploads at the same time", "try again in a moment", RETRY_SOON
            )
        self._held += size


class _Body:
    """One request's body on its way in."""

    def __init__(self, limits: Limits, scope: Scope, receive: Receive) -> None:
        self.headers = Headers(scope=scope)
        self.size = 0
        self._limits = limits
        self._receive = receive
        self._largest = limits._max_body.get(scope["path"], _OTHER_BODY)
        self._deadline = asyncio.get_running_loop().time() + limits._timeout
        self._ended = False

    def check_announced(self) -> None:
        """Refuse a body whose own header says that it is too large."""
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._largest:
            raise self._too_large()

    async def receive(self) -> Message:
        """Pass on the next piece, counted; raises the Problem when a limit is passed."""
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            self._ended = True
            raise Problem(
                TOO_SLOW,
                f"the upload had not arrived after {self._limits._timeout:g} seconds",
                "send a smaller photo or use a faster connection",
                {"Connection": "close"},
            ) from error
        self._ended = not message.get("more_body", False)
        piece = len(message.get("body", b""))
        if self.size + piece > self._largest:
            raise self._too_large()
        self._limits._hold(piece)
        self.size += piece
        return message

    async def discard(self) -> None:
        """Read on for a moment what nobody needs, so that the client gets to read the answer.

        A connection closed on unread data is reset, and the answer would be lost with it. A client
        that asked first (``Expect: 100-continue``) hasn't sent anything yet.
        """
        if "expect" in self.headers and self.size == 0:
            return
        discarded = 0
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                while not self._ended and discarded < self._limits._max_discarded:
                    message = await self._receive()
                    self._ended = not message.get("more_body", False)
                    discarded += len(message.get("body", b""))
        except TimeoutError:
            pass
        self._ended = True

    def _too_large(self) -> Problem:
        return Problem(
            TOO_LARGE,
            f"the request is larger than the {self._largest:,} bytes allowed here",
            "send smaller or fewer photos at a time",
        )
