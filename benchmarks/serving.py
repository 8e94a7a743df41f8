"""``python -m benchmarks.serving``: our server beside other ways to serve the same model.

Everything runs on this machine, load and servers on the same cores, over the loopback interface.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks import load, rates
from benchmarks.photos import KINDS, repeated, unpack
from hangtag.cores import available_cores
from hangtag.markdown import table
from hangtag.tagger import Tagger

WAYS = {
    "hangtag serve": ["-m", "hangtag.cli", "serve", "--log-level", "warning"],
    "plain FastAPI": ["-m", "benchmarks.rivals", "plain"],
    "LitServe": ["-m", "benchmarks.rivals", "litserve"],
}
PHOTOS = 200
WARM_UP_SECONDS = 3.0
START_SECONDS = 120
BULK_PHOTOS = 3000
SHOWN = {"p50 ms": 0, "p99 ms": 0, "errors %": 1, "MiB at start": 0, "MiB at end": 0}
"""What a table tells beside rates, and to how many decimal places."""


@contextmanager
def running(way: str, model: str) -> Iterator[tuple[int, int]]:
    """Start a server; gives its process id and port, and stops it at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, *WAYS[way], "--model", model, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(process, port)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        # LitServe's workers outlive it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{process.args} didn't start")


def memory(process: int) -> float:
    """MiB of a process and its descendants; pages that they share count once (Linux's PSS)."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = [process]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    total = 0
    for member in family:
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(rollup.split("\nPss:")[1].split()[0])
    return total / 1024


def measure(
    way: str, model: str, photos: Sequence[Path], connections: int, seconds: float
) -> dict[str, float]:
    """One server under one load."""
    with running(way, model) as (process, port):
        requests = load.as_requests(photos, port)
        asyncio.run(load.put(port, requests, connections, WARM_UP_SECONDS))
        start = memory(process)
        result = asyncio.run(load.put(port, requests, connections, seconds))
        return {**result.summary(), "MiB at start": start, "MiB at end": memory(process)}


def _markdown(results: dict[str, Any]) -> str:
    bulk = results["bulk photos/s"]
    heading = (
        f"{results['photos']} photos, {results['cores']} cores, load before "
        f"{results['load before']:.1f}; in bulk {bulk:,.0f} photos/s."
    )
    rows = [
        [
            connections,
            way,
            f"{numbers['photos/s']:,.0f}",
            f"{numbers['photos/s'] / bulk:.2f}",
            *(f"{numbers[name]:,.{places}f}" for name, places in SHOWN.items()),
        ]
        for connections, ways in results["loads"].items()
        for way, numbers in ways.items()
    ]
    headings = ["connections", "server", "photos/s", "of bulk", *SHOWN]
    return f"{heading}\n\n{table(headings, rows, words=(0, 1))}"


def main() -> None:
    """Parse the options, measure, print, and write the JSON file."""
    default = os.environ.get("HANGTAG_DATA", "../shared/data")
    parser = argparse.ArgumentParser("python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the archives")
    parser.add_argument("--photos", choices=KINDS, default="full-size", help="which photos to send")
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--seconds", type=float, default=20, help="of each load")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "photos": options.photos,
        "cores": available_cores(),
        "load before": os.getloadavg()[0],
        "loads": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        photos = unpack(options.data, options.photos, Path(folder), PHOTOS)
        for connections in options.connections:
            # Ways take turns, so that a change of the machine's pace meets all of them.
            results["loads"][connections] = {
                way: measure(way, options.model, photos, connections, options.seconds)
                for way in WAYS
            }
        pipeline = rates.pipeline(Tagger(options.model, threads=1))
        count = min(BULK_PHOTOS, int(BULK_PHOTOS * options.seconds / 20))
        results["bulk photos/s"] = rates.rate(pipeline, list(repeated(photos, count)))
    print(_markdown(results))
    if options.output:
        options.output.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
