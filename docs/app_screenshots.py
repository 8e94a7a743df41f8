"""Take the pictures of docs/app.md: ``python docs/app_screenshots.py PHOTOS… [--model MODEL]``.

Starts the app, tags the photos in Chromium, and writes ``docs/images/app-*.png``: light and dark,
laptop and phone. Needs ``hangtag[app]``, Playwright, and Debian's ``chromium``.
"""

import argparse
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).with_name("images")
PORT = 8599
ADDRESS = f"http://127.0.0.1:{PORT}"
LAPTOP = {"width": 1366, "height": 860}
PHONE = {"width": 390, "height": 844}
WANTED = (
    *("photos-laptop-light", "table-laptop-light", "download-laptop-light", "model-laptop-light"),
    *("photos-laptop-dark", "closer-laptop-dark", "photos-phone-light", "closer-phone-dark"),
)
PATIENCE = 60_000  # milliseconds
SETTLE = 2_000  # milliseconds: charts and tables are drawn on canvases, which say nothing
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "hangtag.cli", "app", "--no-browser", "--port", str(PORT)]
    server = subprocess.Popen([*command, "--model", options.model])
    try:
        _wait_for_server()
        with sync_playwright() as starter:
            browser = starter.chromium.launch(
                executable_path=options.chromium, args=list(ARGUMENTS)
            )
            _take(browser, options.photos, "light", LAPTOP, "laptop")
            _take(browser, options.photos, "dark", LAPTOP, "laptop")
            _take(browser, options.photos, "light", PHONE, "phone")
            _take(browser, options.photos, "dark", PHONE, "phone")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _wait_for_server() -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{ADDRESS}/_stcore/health").close()
            return
        except urllib.error.URLError:
            time.sleep(0.5)
    raise SystemExit("the app did not start")


def _take(
    browser: Browser, photos: list[Path], theme: str, size: dict[str, int], device: str
) -> None:
    page = browser.new_context(viewport=size, color_scheme=theme).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(ADDRESS)
    page.get_by_text("Drop photos here").wait_for()
    page.locator("input[type=file]").set_input_files([str(photo) for photo in photos])
    page.get_by_role("button", name="Look closer").last.wait_for()
    _shoot(page, f"photos-{device}-{theme}")
    _view(page, "One by one")
    page.locator(".st-key-explained").get_by_text("Article type").click()
    page.get_by_text("Where the network looked for").wait_for()
    _shoot(page, f"closer-{device}-{theme}")
    _view(page, "Table")
    page.get_by_test_id("stDataFrame").wait_for()
    _shoot(page, f"table-{device}-{theme}")
    _view(page, "Download")
    page.get_by_role("button", name="Download CSV").wait_for()
    _shoot(page, f"download-{device}-{theme}")
    page.goto(f"{ADDRESS}/model")
    page.get_by_text("What it can say").wait_for()
    _shoot(page, f"model-{device}-{theme}")
    page.context.close()


def _view(page: Page, name: str) -> None:
    page.get_by_test_id("stButtonGroup").first.get_by_text(name, exact=True).click()


def _shoot(page: Page, name: str) -> None:
    if name not in WANTED:
        return
    page.locator(".stMain").evaluate("main => main.scrollTo(0, 0)")
    page.wait_for_timeout(SETTLE)
    page.screenshot(path=IMAGES / f"app-{name}.png")


if __name__ == "__main__":
    main()
