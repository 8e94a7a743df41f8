"""The public *Fashion Product Images* dataset, from Kaggle or Hugging Face, in Kaggle's layout.

Both libraries resume a download that was stopped, and show its progress.
"""

import csv
import io
import os
import shutil
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

from hangtag.catalogue import PUBLIC_PHOTOS, PUBLIC_TABLE
from hangtag.errors import HangtagError, require


class Size(StrEnum):
    """Which edition: 60×80 photos (0.6 GB), or photos as large as 1800×2400 (25 GB)."""

    SMALL = "small"
    FULL = "full"


class Hub(StrEnum):
    """Where to download from. Hugging Face has the small edition alone, and asks for no account."""

    KAGGLE = "kaggle"
    HUGGINGFACE = "huggingface"


_KAGGLE = {
    Size.SMALL: "paramaggarwal/fashion-product-images-small",
    Size.FULL: "paramaggarwal/fashion-product-images-dataset",
}
_HUGGINGFACE = "ashraq/fashion-product-images-small"


def fetch(
    size: Size | str,
    folder: str | Path | None = None,
    *,
    hub: Hub | str = Hub.KAGGLE,
) -> Path:
    """Download the dataset; what is there already is not downloaded again.

    Args:
        size: ``"small"`` or ``"full"``.
        folder: Where ``styles.csv`` and ``images/<id>.jpg`` go; by default a folder in the
            current one, named like the dataset.
        hub: ``"kaggle"`` or ``"huggingface"``.

    Returns:
        The folder, for `read_catalogue`.

    Raises:
        MissingExtraError: The hub's library is not installed.
        HangtagError: The hub can't be reached or lacks this edition; the message says what to do.
    """
    try:
        size, hub = Size(size), Hub(hub)
    except ValueError as error:
        raise HangtagError(
            f"{error}; choose {' or '.join(Size)}, and --from {' or '.join(Hub)}"
        ) from error
    folder = Path(folder) if folder else Path(_KAGGLE[size].split("/")[1])
    if (folder / PUBLIC_TABLE).exists():
        return folder
    if hub is Hub.HUGGINGFACE and size is Size.FULL:
        raise HangtagError("Hugging Face has no full edition; use --from kaggle")
    place = _from_kaggle if hub is Hub.KAGGLE else _from_huggingface
    try:
        place(size, folder)
    except OSError as error:
        raise _failed(size, hub, error) from error
    return folder


def _from_kaggle(size: Size, folder: Path) -> None:
    kagglehub = require("fetch", "kagglehub")
    problems = require("fetch", "kagglehub.exceptions")
    # Not with output_dir: only a download into kagglehub's own cache can be resumed.
    try:
        unpacked = Path(kagglehub.dataset_download(_KAGGLE[size]))
    except (
        problems.BackendError,
        problems.CredentialError,
        problems.DataCorruptionError,
        problems.NotFoundError,
        problems.UnauthenticatedError,
    ) as error:
        raise _failed(size, Hub.KAGGLE, error) from error
    # The archive holds its content twice; the copy lies deeper.
    tables = sorted(unpacked.rglob(PUBLIC_TABLE), key=lambda path: len(path.parts))
    if not tables:
        raise HangtagError(f"{unpacked}: no {PUBLIC_TABLE} in the download; remove and fetch again")
    with os.scandir(tables[0].parent / PUBLIC_PHOTOS) as photos:
        for photo in photos:
            _put(folder / PUBLIC_PHOTOS / photo.name, Path(photo.path))
    # The table comes last, so that its presence means that all is there.
    _put(folder / PUBLIC_TABLE, tables[0])


def _from_huggingface(size: Size, folder: Path) -> None:
    import polars

    hub = require("fetch", "huggingface_hub")
    downloaded = hub.snapshot_download(
        _HUGGINGFACE, repo_type="dataset", allow_patterns="data/*.parquet"
    )
    header: list[str] = []
    rows: list[Iterable[Any]] = []
    for part in sorted(Path(downloaded).glob("data/*.parquet")):
        frame = polars.read_parquet(part)
        header = [name for name in frame.columns if name != "image"]
        rows += frame.select(header).rows()
        for product, image in zip(frame["id"], frame["image"], strict=True):
            if image is not None and image["bytes"]:
                _put(folder / PUBLIC_PHOTOS / f"{product}.jpg", image["bytes"])
    if not rows:
        raise HangtagError(f"{downloaded}: no products in the download; remove and fetch again")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    _put(folder / PUBLIC_TABLE, text.getvalue().encode())


def _put(target: Path, content: Path | bytes) -> None:
    """Link, copy or write a file, at once or not at all; leave it alone if it is there."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    if isinstance(content, bytes):
        unfinished.write_bytes(content)
    else:
        try:
            os.link(content.resolve(), unfinished)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(content, unfinished)
    unfinished.replace(target)


def _failed(size: Size, hub: Hub, error: Exception) -> HangtagError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    unreachable = kinds & {"ConnectionError", "ConnectError", "LocalEntryNotFoundError", "Timeout"}
    reason = "no connection" if unreachable else (str(error).splitlines() or [repr(error)])[0]
    page = f"https://www.kaggle.com/datasets/{_KAGGLE[size]}"
    return HangtagError(
        f"the {size} dataset could not be fetched from {hub} ({reason}); run the command again to "
        f"go on, or download the zip by hand from {page} and give hangtag its path"
    )
