"""A real server process to test against."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from drawing import draw_garment

PROBLEM = "application/problem+json"
PATIENCE_SECONDS = 120
"""How long a test waits for what a busy machine does late; it costs nothing where all is well."""


class Server:
    """``hangtag serve`` as a process of its own; its log goes to ``folder``."""

    def __init__(self, model: Path, folder: Path, *options: str, **environment: str) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"server-{self.port}.jsonl"
        command = [sys.executable, "-m", "hangtag.cli", "serve", "--model", str(model)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--threads", "1", *options],
                stderr=log,
                env={**os.environ, **environment},
            )

    def __enter__(self) -> "Server":
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.05)
            try:
                if self.get("/health").is_success:
                    return self
            except httpx.TransportError:
                continue
        self.__exit__(None, None, None)
        raise AssertionError(f"the server didn't start: {self._log.read_text()}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.terminate()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE_SECONDS, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=PATIENCE_SECONDS, **options)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait for the process to end."""
        self.process.wait(PATIENCE_SECONDS)

    def log(self) -> list[dict]:
        """Every line logged so far; fails if one of them isn't JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def connect(self) -> socket.socket:
        """A bare connection, for clients that behave badly."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)


def garment_photo() -> bytes:
    """A JPEG of a drawn garment."""
    file = io.BytesIO()
    draw_garment("Tshirts", "Blue", (320, 240)).save(file, "JPEG")
    return file.getvalue()


def predict(server, photo, **parameters):
    return server.post(
        "/predict",
        files={"image": ("shirt.jpg", photo, "image/jpeg")},
        params=parameters,
    )


def problem(response, status):
    """The problem document that an answer must be."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    document = response.json()
    assert set(document) == {"type", "title", "status", "detail", "cure", "instance"}
    assert document["status"] == status
    assert document["instance"] == f"urn:uuid:{response.headers['x-request-id']}"
    assert "Traceback" not in response.text
    assert "site-packages" not in response.text
    return document


def multipart(*photos: bytes, field: str = "image", kind: str = "image/jpeg") -> tuple[bytes, str]:
    """A multipart body and its content type."""
    boundary = "a-boundary"
    parts = [
        f"--{boundary}\r\nContent-Disposition: form-data; "
        f'name="{field}"; filename="{position}.jpg"\r\nContent-Type: {kind}\r\n\r\n'.encode()
        + photo
        + b"\r\n"
        for position, photo in enumerate(photos)
    ]
    closing = f"--{boundary}--\r\n".encode()
    return b"".join([*parts, closing]), f"multipart/form-data; boundary={boundary}"


def request_head(path: str, body: bytes, content_type: str) -> bytes:
    """The head of a POST, for clients that send the rest as they like."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read an answer to its end: status and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("closed without an answer")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += connection.recv(65536)
    return int(head.split()[1]), body


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]
