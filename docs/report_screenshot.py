"""Check a report in Chromium and take its picture: ``python docs/report_screenshot.py HTML PNG``.

Fails if the page writes to the console, asks for anything outside itself, or is wider than a
phone's screen of 375 pixels. Needs Playwright and Debian's ``chromium``.
"""

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PHONE, LAPTOP = 375, 1100
PICTURE_HEIGHT = 1500
PATIENCE = 600_000  # milliseconds
UNFOLD = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
)


def main() -> None:
    """Check, then take the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=options.chromium, args=ARGUMENTS, timeout=PATIENCE
        )
        found = problems(browser, options.report)
        page = browser.new_page(viewport={"width": LAPTOP, "height": PICTURE_HEIGHT})
        page.set_default_timeout(PATIENCE)
        page.goto(options.report.absolute().as_uri())
        page.screenshot(path=options.picture)
        browser.close()
    for problem in found:
        print(f"{options.report}: {problem}", file=sys.stderr)
    sys.exit(bool(found))


def problems(browser: Browser, report: Path) -> list[str]:
    """Open a report on a phone, unfold it, press every heading, and note what goes wrong."""
    found: list[str] = []
    address = report.absolute().as_uri()
    page = browser.new_page(viewport={"width": PHONE, "height": 800})
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "data:"))
            else found.append(f"request: {request.url}")
        ),
    )
    page.goto(address)
    page.evaluate(UNFOLD)
    page.evaluate("document.querySelectorAll('th button').forEach((button) => button.click())")
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > PHONE:
        found.append(f"{width} pixels wide on a screen of {PHONE}")
    page.close()
    return found


if __name__ == "__main__":
    main()
