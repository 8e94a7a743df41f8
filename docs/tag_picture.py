"""Draws the README's picture: the example photos and what `hangtag tag` prints of them.

`python docs/tag_picture.py` writes docs/images/tag.svg.
"""

import base64
from pathlib import Path

from rich.console import Console

from hangtag.bulk import terminal
from hangtag.tagger import Tagger

ROOT = Path(__file__).parents[1]
PHOTO = 150
MARGIN = 12


def main() -> None:
    """Tag the photos and draw them above the table."""
    photos = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    tagger = Tagger()
    tables = terminal.TagTables([attribute.name for attribute in tagger.attributes])
    console = Console(record=True, width=130, file=Path("/dev/null").open("w"))  # noqa: SIM115
    tables._console = console
    with tables:
        tables.write(tagger.tag([str(photo.relative_to(ROOT)) for photo in photos]))
    table = console.export_svg(title="hangtag tag examples/photos", font_aspect_ratio=0.61)
    box = table.split('viewBox="')[1].split('"')[0].split()
    width, height = float(box[2]), float(box[3])
    step = width / len(photos)
    pictures = "".join(
        f'<image x="{number * step + (step - PHOTO) / 2:.0f}" y="{MARGIN}" width="{PHOTO}" '
        f'height="{PHOTO * 4 // 3}" href="data:image/jpeg;base64,'
        f'{base64.b64encode(photo.read_bytes()).decode()}"/>'
        for number, photo in enumerate(photos)
    )
    top = PHOTO * 4 // 3 + 2 * MARGIN
    inner = table.replace("<svg ", f'<svg y="{top}" width="{width}" height="{height}" ', 1)
    (ROOT / "docs" / "images" / "tag.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + top}">'
        f'<rect width="100%" height="{top}" fill="white"/>{pictures}{inner}</svg>\n',
        "utf-8",
    )


if __name__ == "__main__":
    main()
