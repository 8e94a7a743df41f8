"""What a connection may cost before it asks anything: seconds and bytes of a request's head."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_UNUSED = 2**16
_MAX_PIPELINED = 8


class Connection(HttpToolsProtocol):
    """A client's connection, closed unless the head of each request arrives in time and is short.

    The time is the one that idle connections are kept. The parser itself bounds nothing: neither
    a head, nor what may stand between and after the chunks of a body, nor how many requests lie
    in one read.
    """

    _late: asyncio.TimerHandle | None = None
    _unused = 0  # bytes read since a head or a piece of a body was complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Begin to wait when a head begins, and stop when it ends; refuse one without end."""
        self._unused += len(data)
        super().data_received(data)
        if self._unused > _MAX_UNUSED and not self.transport.is_closing():
            self.send_400_response("Request head too large.")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Refuse more requests in advance than any client has reason to send."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise ValueError("too many requests at a time")  # the parser answers with 400
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that a head is complete."""
        self._unused = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that a piece of a body is complete."""
        self._unused = 0
        super().on_body(body)

    def _watch(self) -> None:
        awaited = self.cycle is None or self.cycle.response_complete
        if not awaited or self.transport.is_closing():
            self._stop()
        elif self._late is None:
            self._late = self.loop.call_later(self.timeout_keep_alive, self.transport.close)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
