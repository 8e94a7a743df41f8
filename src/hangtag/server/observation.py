"""Watches every request: gives it an id, counts it, logs it, and catches what nobody caught."""

import logging
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hangtag.server.logs import REQUESTS
from hangtag.server.metrics import Metrics
from hangtag.server.problems import INTERNAL, REQUEST_ID, Problem

_UNKNOWN = "unknown"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observation:
    """ASGI middleware, outermost of ours."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[REQUEST_ID] = str(uuid.uuid4())
        status = 0

        async def noted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append(
                    (b"x-request-id", scope[REQUEST_ID].encode())
                )
            await send(message)

        start = time.perf_counter()
        failure: Exception | None = None
        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, noted_send)
            except Exception as error:  # noqa: BLE001  the client gets a problem, the log the rest
                failure = error
                if not status:
                    problem = Problem(
                        INTERNAL,
                        "an unexpected error; nothing is wrong with the request",
                        "try again; if it stays, give the instance to whoever runs the server",
                    )
                    await problem.response(scope)(scope, receive, noted_send)
        self._note(scope, status, time.perf_counter() - start, failure)

    def _note(self, scope: Scope, status: int, seconds: float, failure: Exception | None) -> None:
        # Clients choose paths and methods freely, and each would be a metric of its own.
        route = scope["path"] if scope["path"] in self._routes else _UNKNOWN
        method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        REQUESTS.log(
            logging.ERROR if failure else logging.INFO,
            "request",
            exc_info=failure,
            extra={
                "fields": {
                    "request": scope[REQUEST_ID],
                    "client": (scope.get("client") or ("",))[0],
                    "method": method,
                    "route": route,
                    "status": status,
                    "milliseconds": round(seconds * 1000, 1),
                }
            },
        )
