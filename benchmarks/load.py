"""Load for a server on this machine: closed-loop connections that send one photo after another."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

_BOUNDARY = "photo-boundary"


@dataclass
class Load:
    """What a number of connections saw within some seconds.

    Attributes:
        seconds: How long they sent.
        latencies: Seconds from each request's first byte to its answer's last; only of successes.
        errors: Answers other than 200, and connections that broke.
    """

    seconds: float
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    def summary(self) -> dict[str, float]:
        """Throughput per second, median and 99th percentile in milliseconds, share of errors."""
        attempts = len(self.latencies) + self.errors
        median, late = np.percentile(self.latencies or [np.nan], [50, 99]) * 1000
        return {
            "photos/s": len(self.latencies) / self.seconds,
            "p50 ms": float(median),
            "p99 ms": float(late),
            "errors %": 100 * self.errors / max(1, attempts),
        }


def as_requests(photos: Sequence[Path], port: int) -> list[bytes]:
    """Write the photos as HTTP requests to ``/predict``."""
    return [_request(photo.read_bytes(), port) for photo in photos]


async def put(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Keep a number of connections busy; requests begun in time are waited for."""
    load = Load(seconds)
    supply = cycle(requests)
    start = time.perf_counter()

    async def connection() -> None:
        while time.perf_counter() < start + seconds:
            try:
                await _talk(port, supply, start + seconds, load)
            except (OSError, asyncio.IncompleteReadError):
                load.errors += 1
                await asyncio.sleep(0.01)

    await asyncio.gather(*(connection() for _ in range(connections)))
    load.seconds = time.perf_counter() - start
    return load


async def _talk(port: int, supply: cycle, end: float, load: Load) -> None:  # type: ignore[type-arg]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (begun := time.perf_counter()) < end:
            writer.write(next(supply))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            if head.split()[1] == b"200":
                load.latencies.append(time.perf_counter() - begun)
            else:
                load.errors += 1
    finally:
        writer.close()


def _request(photo: bytes, port: int) -> bytes:
    body = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    body += photo + f"\r\n--{_BOUNDARY}--\r\n".encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    )
    return head.encode() + body
