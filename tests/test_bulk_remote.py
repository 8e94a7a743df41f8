"""Photos behind web addresses and on other file systems, and servers with the usual troubles."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from hangtag.bulk import remote
from hangtag.bulk.inputs import Inputs
from hangtag.errors import HangtagError
from hangtag.photo import PhotoError, read_photo
from tiny_photos import photo_bytes

FAR = "/sch%C3%B6ne%20Schuhe/100%25%20wei%C3%9F.png?gr%C3%B6%C3%9Fe=38%20EU&x=%20"


class Shop(BaseHTTPRequestHandler):
    """A web shop with the usual troubles."""

    asked: ClassVar[Counter[str]] = Counter()
    released: ClassVar[threading.Event] = threading.Event()

    def do_GET(self):
        self.asked[self.path] += 1
        if self.path == "/slow.png":
            self.released.wait(60)
        if self.path in ("/good.png", FAR) or (
            self.path == "/busy.png" and self.asked[self.path] > 1
        ):
            self.answer(200, photo_bytes(33))
        elif self.path == "/busy.png":
            self.answer(503, b"")
        elif self.path == "/large.png":
            self.answer(200, b"x" * 5000)
        elif self.path == "/cut.png":
            self.answer(200, b"x", promised=9)
        else:
            self.answer(404, b"<html>not here</html>")

    def answer(self, code: int, body: bytes, promised: int | None = None):
        self.send_response(code)
        self.send_header("Content-Length", str(promised or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Shop.asked.clear()
    Shop.released.clear()
    monkeypatch.setattr(remote, "_SECONDS_BETWEEN", 0.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Shop.released.set()
    server.shutdown()
    server.server_close()


def test_web_addresses(shop: str):
    (item,) = Inputs([f"{shop}/good.png"])
    assert (read_photo(item.source()) == 33).all()
    assert (read_photo(remote.fetch(f"{shop}/busy.png", 1000)) == 33).all()
    assert Shop.asked["/busy.png"] == 2


def test_web_addresses_as_people_write_them(shop: str, tmp_path: Path):
    address = f"{shop.upper()}/schöne Schuhe/100% weiß.png?größe=38 EU&x=%20#top"
    table = tmp_path / "table.csv"
    table.write_text(f"photo\n{address}\n", encoding="utf-8")
    (item,) = Inputs([str(table)])
    assert item.photo == address
    assert (read_photo(item.source()) == 33).all()
    assert [item.photo for item in Inputs([address])] == [address]
    assert remote.web_address("https://me@bücher.example:8080/ä") == (
        "https://me@xn--bcher-kva.example:8080/%C3%A4"
    )


def test_nothing_more_is_fetched_for_a_run_that_is_stopped(shop: str):
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    with pytest.raises(PhotoError, match="the run was stopped"):
        remote.fetch(f"{shop}/slow.png", 1000, stop)
    assert time.monotonic() - start < 10
    assert (read_photo(remote.fetch(f"{shop}/good.png", 1000, threading.Event())) == 33).all()
    with pytest.raises(PhotoError, match="404"):
        remote.fetch(f"{shop}/gone.png", 1000, threading.Event())


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent otherwise there")
@pytest.mark.usefixtures("heeded_interrupts")
def test_ctrl_c_waits_for_no_server(shop: str, tiny_model: Path):
    tag = [sys.executable, "-m", "hangtag.cli", "tag", f"{shop}/slow.png", "--json"]
    with subprocess.Popen(
        [*tag, "--model", str(tiny_model)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not Shop.asked["/slow.png"] and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        # The server would keep it for three times twenty seconds.
        shown, message = process.communicate(timeout=remote.SECONDS_OF_SILENCE * 2)
    assert process.returncode == 130
    assert (shown, message) == (b"", b"stopped\n")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/gone.png", "404"),
        ("/large.png", "more than the 1,000 bytes"),
        ("/cut.png", "missing"),
    ],
)
def test_web_addresses_that_fail(shop: str, path: str, reason: str):
    with pytest.raises(PhotoError, match=reason) as caught:
        remote.fetch(shop + path, 1000)
    assert str(caught.value).startswith(shop + path)
    assert Shop.asked["/gone.png"] <= 1


def test_nobody_there():
    with pytest.raises(PhotoError, match="can't be fetched"):
        remote.fetch("http://127.0.0.1:9/a.png", 1000)
    with pytest.raises(PhotoError, match="can't be fetched"):
        remote.fetch("http://[bad/a.png", 1000)


def test_other_file_systems():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/shop/deep/a.png", photo_bytes(12))
    memory.pipe("/shop/table.md", b"no photo")
    (item,) = Inputs(["memory://shop"])
    assert item.photo == "memory:///shop/deep/a.png"
    assert (np.asarray(read_photo(item.source())) == 12).all()
    memory.pipe("/shop/table.csv", b"photo\ndeep/a.png\n/local.png\n")
    items = list(Inputs(["memory://shop/table.csv"]))
    assert [item.photo for item in items] == ["deep/a.png", "/local.png"]
    assert [item.place for item in items] == ["memory://shop/deep/a.png", "/local.png"]
    assert (read_photo(items[0].source()) == 12).all()
    with pytest.raises(HangtagError, match="can't be read"):
        Inputs(["memory://shop/gone.csv"]).survey()
    with pytest.raises(PhotoError, match="can't be fetched"):
        remote.fetch("memory://shop/gone.png", 1000)
    with pytest.raises(PhotoError, match="more than"):
        remote.fetch("memory://shop/deep/a.png", 10)
