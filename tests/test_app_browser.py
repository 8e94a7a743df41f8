"""The app in a real browser, from the command to the downloaded files."""

import contextlib
import csv
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawing import draw_garment
from hangtag import read_catalogue

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytest.importorskip("streamlit", reason="needs hangtag[app]")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
)

PATIENCE = 60.0
"""Seconds that the app and the browser may take for a step; a busy machine needs them."""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.timeout(6 * PATIENCE),
]


@pytest.fixture(scope="module")
def app(tiny_model: Path) -> Iterator[str]:
    """The address of the running app."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "hangtag.cli", "app", "--no-browser"]
    server = subprocess.Popen(
        [*command, "--model", str(tiny_model), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _wait_for(address: str, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health").close()
            return
        except urllib.error.URLError:
            time.sleep(0.2)
    server.kill()
    pytest.fail(f"the app did not start: {server.communicate()[0]}")


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as starter:
        browser = starter.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(app: str, browser: "playwright.Browser") -> Iterator["playwright.Page"]:
    """A fresh visit; fails the test if the page asks anyone but the app for anything."""
    context = browser.new_context(accept_downloads=True, viewport={"width": 1366, "height": 900})
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(app)
    page.get_by_text("Drop photos here").wait_for()
    yield page
    context.close()
    own = (app, app.replace("http", "ws", 1), "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []


def expect(found: "playwright.Locator") -> "playwright.LocatorAssertions":
    playwright.expect.set_options(timeout=1000 * PATIENCE)
    return playwright.expect(found)


def photo(kind: str = "Tshirts", colour: str = "Blue") -> bytes:
    file = io.BytesIO()
    draw_garment(kind, colour, (320, 240)).save(file, "JPEG")
    return file.getvalue()


def upload(page: "playwright.Page", files: dict[str, bytes]) -> None:
    page.locator("input[type=file]").first.set_input_files(
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files.items()
        ]
    )
    page.get_by_text(re.compile(r"^\d+ photos?$")).first.wait_for()


def view(page: "playwright.Page", name: str) -> None:
    page.get_by_test_id("stButtonGroup").first.get_by_text(name, exact=True).click()


def download(page: "playwright.Page", button: str) -> bytes:
    for attempt in range(1, 6):  # a click while the page is being redrawn is lost
        try:
            with page.expect_download(timeout=PATIENCE * 200) as started:
                page.get_by_role("button", name=button).click()
            return Path(started.value.path()).read_bytes()
        except playwright.TimeoutError:
            if attempt == 5:
                raise
    raise AssertionError(button)


def rows(written: bytes) -> dict[str, dict[str, str]]:
    return {row["photo"]: row for row in csv.DictReader(io.StringIO(written.decode("utf-8-sig")))}


def test_one_photo_gets_its_tags(page: "playwright.Page"):
    upload(page, {"shirt.jpg": photo()})
    card = page.get_by_test_id("stHtml").filter(has_text="shirt.jpg").last
    for label in ("Gender", "Article type", "Base colour", "Season"):
        expect(card.get_by_text(label, exact=True)).to_be_visible()
    expect(card.locator(".ht-bar")).to_have_count(7)
    assert card.locator("img").evaluate("image => image.naturalWidth") == 240


def test_a_broken_photo_says_why_among_the_others(page: "playwright.Page"):
    upload(page, {"a.jpg": photo(), "broken.jpg": b"not a photo", "b.jpg": photo("Heels", "Red")})
    expect(page.locator(".ht-error")).to_contain_text("broken.jpg: ")
    expect(page.get_by_role("button", name="Look closer")).to_have_count(2)


def test_a_corrected_tag_is_in_the_files_and_the_catalogue(page: "playwright.Page", tmp_path: Path):
    upload(page, {"a.jpg": photo(), "broken.jpg": b"not a photo"})
    view(page, "One by one")
    page.get_by_role("combobox", name=re.compile("Base colour")).click()
    page.keyboard.type("Yellow")
    page.get_by_role("option", name="Yellow").first.click()
    page.get_by_text("corrected by you").wait_for()
    view(page, "Download")
    table = rows(download(page, "Download CSV"))
    assert table["a.jpg"]["baseColour"] == "Yellow"
    assert table["a.jpg"]["baseColour_decided_by"] == "person"
    assert table["a.jpg"]["articleType_decided_by"] == "model"
    assert "broken.jpg" in table["broken.jpg"]["error"]
    first = next(one for one in json.loads(download(page, "Download JSON")) if not one["error"])
    assert first["tags"]["baseColour"]["decided_by"] == "person"
    assert zipfile.is_zipfile(io.BytesIO(download(page, "Download Excel")))
    page.get_by_text("Only the tags that I confirmed or corrected").click()
    page.get_by_text("Only the tags").first.wait_for()
    file = tmp_path / "catalogue.zip"
    file.write_bytes(download(page, "Download the catalogue"))
    catalogue = read_catalogue(file, check_photos=True)
    assert catalogue.problems == []
    assert catalogue.labels("baseColour") == ["Yellow"]


def test_a_cell_of_the_table_can_be_edited(page: "playwright.Page"):
    upload(page, {"a.jpg": photo()})
    view(page, "Table")
    chosen = page.get_by_test_id("stBaseButton-pillsActive").get_by_text("Base colour")
    for _ in range(10):  # a click while the page is being redrawn is lost
        page.get_by_text(re.compile("^Base colour")).first.click()
        with contextlib.suppress(playwright.TimeoutError):
            chosen.wait_for(timeout=5000)
            break
    grid = page.get_by_test_id("stDataFrame")
    grid.wait_for()
    editor = page.locator("#portal input")
    for _ in range(10):  # the grid is a canvas: nothing tells when it has been drawn
        page.wait_for_timeout(1000)
        # Until the table is of base colours alone, a click opens another column's text over it.
        page.keyboard.press("Escape")
        with contextlib.suppress(playwright.TimeoutError):
            # The fourth column of the first row: photo, file, right, base colour.
            grid.dblclick(position={"x": 440, "y": 70}, timeout=5000)
            editor.last.wait_for(timeout=5000)
            break
    page.keyboard.type("Pink")
    page.wait_for_timeout(500)  # for the drop-down to narrow its list
    page.keyboard.press("Enter")
    page.get_by_text("1 corrected").wait_for()
    view(page, "Download")
    table = rows(download(page, "Download CSV"))
    assert table["a.jpg"]["baseColour"] == "Pink"
    assert table["a.jpg"]["baseColour_decided_by"] == "person"


def test_decisions_survive_a_reload(page: "playwright.Page"):
    upload(page, {"a.jpg": photo()})
    view(page, "One by one")
    page.get_by_role("button", name=re.compile("next photo", re.IGNORECASE)).click()
    page.get_by_text(re.compile(r"^[1-7] decided by you")).wait_for()
    decided = page.get_by_text("decided by you").inner_text()
    page.reload()
    page.get_by_text("decided by you").wait_for()
    expect(page.get_by_text("decided by you")).to_have_text(decided)


def test_a_pasted_photo_is_tagged(page: "playwright.Page"):
    page.get_by_role("button", name="Paste a photo").wait_for()
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "image.png", {type: "image/png"}));
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
        }""",
        list(photo()),
    )
    page.get_by_text("pasted-1.png").first.wait_for()


def test_five_hundred_photos_stay_usable(page: "playwright.Page"):
    data = photo()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(500):
            archive.writestr(f"{number:03d}.jpg", data)
    upload(page, {"photos.zip": packed.getvalue()})
    page.get_by_text("500 photos").first.wait_for()
    expect(page.get_by_role("button", name="Look closer")).to_have_count(24)
    page.get_by_test_id("stPagination").get_by_text("21", exact=True).click()
    page.get_by_text("499.jpg").first.wait_for()
    expect(page.get_by_role("button", name="Look closer")).to_have_count(20)


def test_a_catalogue_is_explored_and_the_model_judged(
    page: "playwright.Page", drawn_catalogue: Path
):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        table = (drawn_catalogue / "styles.csv").read_text().splitlines()[:41]
        archive.writestr("styles.csv", "\n".join(table))
        for line in table[1:]:
            name = f"images/{line.split(',')[0]}.jpg"
            archive.write(drawn_catalogue / name, name)
    page.get_by_role("link", name="Catalogue").click()
    page.get_by_text("Drop a catalogue here").wait_for()
    page.locator("input[type=file]").set_input_files(
        {"name": "shop.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    )
    page.get_by_text("40 products").wait_for()
    view(page, "Report")
    page.get_by_role("button", name="Look through the catalogue").click()
    assert b"<html" in download(page, "Download the report").lower()
    view(page, "Judge the model")
    page.get_by_role("button", name="Judge the model").last.click()
    page.get_by_text("Can its confidence be trusted?").wait_for()
    page.get_by_role("link", name="Model").click()
    page.get_by_text("What it can say").wait_for()
    page.get_by_text("Most confused").wait_for()
