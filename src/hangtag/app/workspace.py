"""Workspaces: the photos of one person's sitting on disk, those that wait, and their review.

A workspace outlives a reload of the page: the page's address holds its token. It ends when the
person starts over, after a day without use, or when the app stops; its photos go with it.
"""

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from hangtag.app.pictures import LARGE, THUMBNAIL, heat_map, jpeg, shrink
from hangtag.app.review import Review, ReviewedPhoto, ReviewedTag
from hangtag.app.uploads import Upload
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.errors import HangtagError
from hangtag.photo import PhotoError, read_photo
from hangtag.turning import turned

if TYPE_CHECKING:
    from hangtag.exploration import Exploration
    from hangtag.tagger import Tagger
    from hangtag.verdict import Evaluation

CHUNK = 16
"""Photos that are tagged between two updates of the progress bar."""

MAX_EMPTY = 32
"""Sittings kept that hold nothing yet; beyond that the one that was left alone longest ends."""

MAX_IDLE = 24 * 3600.0
"""Seconds after which a sitting that nobody used ends."""


class Workspace:
    """One sitting: a folder for the photos, the queue of those to be tagged, and the review."""

    def __init__(self, review: Review) -> None:
        self.review = review
        self.catalogue: Catalogue | None = None
        self.exploration: Exploration | None = None
        self.judgement: Evaluation | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="hangtag-", ignore_cleanup_errors=True)
        self._waiting: list[ReviewedPhoto] = []
        self._received = 0
        self._used = False
        self._lock = threading.Lock()

    @property
    def empty(self) -> bool:
        """Whether nothing was added yet."""
        return not self._used

    @property
    def waiting(self) -> int:
        """Photos that are not yet tagged."""
        return len(self._waiting)

    def receive(self, uploads: Iterable[Upload]) -> int:
        """Store photos and queue them; those that arrived with an error go to the review at once.

        So do those that can't be stored.

        Returns:
            How many came.
        """
        self._used = True
        came = 0
        for upload in uploads:
            with self._lock:
                self._received += 1
                key = f"{self._received:06d}"
            came += 1
            photo = ReviewedPhoto(key, upload.name, error=upload.error)
            if photo.error is None:
                self._store(photo, upload.data)
            if photo.error is not None:
                self.review.add(photo)
                continue
            with self._lock:
                self._waiting.append(photo)
        return came

    def _store(self, photo: ReviewedPhoto, data: bytes) -> None:
        path = Path(self._folder.name) / photo.key
        try:
            path.write_bytes(data)
        except OSError as error:
            with suppress(OSError):
                path.unlink()  # half a photo takes room, too
            photo.error = f"{photo.name}: can't be kept ({error.strerror}); {_cure(error)}"
        else:
            photo.path = path

    def tag_some(self, tagger: "Tagger", size: int = CHUNK) -> int:
        """Tag the next photos of the queue and move them to the review.

        Returns:
            How many were taken, broken ones included; 0 when the queue is empty.
        """
        with self._lock:
            taken, self._waiting = self._waiting[:size], self._waiting[size:]
        decoded = [(photo, self._decode(photo, tagger)) for photo in taken]
        sound = [(photo, array) for photo, array in decoded if array is not None]
        if sound:
            results = tagger.tag([array for _, array in sound])
            for (photo, _), result in zip(sound, results, strict=True):
                photo.error, photo.model = result.error, result.model
                photo.known_product = result.known_product
                self._turn(photo, result.turned)
                for name, tag in result.tags.items():
                    kind = photo.found_details if name in tagger.info.details else photo.tags
                    kind[name] = ReviewedTag(tag, tag.value)
        for photo in taken:
            self.review.add(photo)
        return len(taken)

    def _decode(self, photo: ReviewedPhoto, tagger: "Tagger") -> np.ndarray | None:
        path = _path(photo)
        try:
            # As the tagger itself would, so that the tags are those of the command line.
            array = read_photo(path, smallest=tagger.input_size, name=photo.name)
            small = read_photo(path, smallest=(THUMBNAIL, THUMBNAIL), name=photo.name)
            photo.thumbnail = jpeg(shrink(small, THUMBNAIL))
        except PhotoError as error:
            photo.error = str(error)
            return None
        return array

    @staticmethod
    def _turn(photo: ReviewedPhoto, degrees: int) -> None:
        photo.turned = degrees
        if degrees and photo.thumbnail is not None:
            photo.thumbnail = jpeg(Image.fromarray(turned(read_photo(photo.thumbnail), degrees)))

    def large_picture(self, photo: ReviewedPhoto) -> Image.Image:
        """Read a photo for looking at it closely, turned as it was for tagging.

        Raises:
            PhotoError: The photo can't be read.
        """
        array = read_photo(_path(photo), smallest=(LARGE, LARGE), name=photo.name)
        return shrink(turned(array, photo.turned), LARGE)

    def explained(
        self, photo: ReviewedPhoto, tagger: "Tagger", attribute: str, value: str | None
    ) -> bytes:
        """Show where the network looked for a value of an attribute; None: for its first choice.

        A photo that was turned is shown and looked at upright, with all the detail of its file.

        Returns:
            A PNG: the photo with the class activation map over it.

        Raises:
            PhotoError: The photo can't be read.
        """
        picture = self.large_picture(photo)
        array = read_photo(_path(photo), smallest=tagger.input_size, name=photo.name)
        pixels = tagger.prepare(turned(array, photo.turned))
        activation = tagger.activation_map(pixels, attribute, value)
        return heat_map(picture, activation)

    def open_catalogue(self, name: str, file: BinaryIO) -> None:
        """Store an uploaded catalogue and read it; it replaces the one before.

        Raises:
            HangtagError: It can't be read.
        """
        folder = Path(self._folder.name) / "catalogue"
        self._used = True
        self.catalogue = self.exploration = self.judgement = None
        path = folder / PurePath(name).name
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
        except OSError as error:
            raise HangtagError(
                f"{path.name}: can't be kept ({error.strerror}); {_cure(error)}"
            ) from error
        self.catalogue = read_catalogue(path)

    def close(self) -> None:
        """Delete the photos."""
        self._folder.cleanup()


def _cure(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the folder for photos is gone: start over"
    return "make room in the folder for temporary files and add it again"


def _path(photo: ReviewedPhoto) -> Path:
    if photo.path is None:
        raise PhotoError(f"{photo.name}: no photo arrived; upload it again")
    return photo.path


class Workspaces:
    """All sittings of one running app, each found by the token that its pages carry."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, Workspace]] = {}
        self._lock = threading.Lock()

    def open(self, token: str | None, review: Review) -> tuple[str, Workspace]:
        """Find a sitting again, or begin one.

        Args:
            token: From the page's address; unknown or None: a new sitting with a new token.
            review: The empty review that a new sitting begins with.
        """
        with self._lock:
            if token is None or token not in self._open:
                token, workspace = secrets.token_urlsafe(16), Workspace(review)
            else:
                workspace = self._open.pop(token)[1]
            self._open[token] = (time.monotonic(), workspace)  # the last is the latest used
            self._end_idle()
            return token, workspace

    def close(self, token: str) -> None:
        """End a sitting and delete its photos."""
        with self._lock:
            if token in self._open:
                self._open.pop(token)[1].close()

    def _end_idle(self) -> None:
        oldest = time.monotonic() - MAX_IDLE
        # Only of those that hold nothing is the number bounded: a sitting with photos and decisions
        # must not end because others opened the page.
        empty = [token for token, (_, workspace) in self._open.items() if workspace.empty]
        too_many = set(empty[:-MAX_EMPTY])
        for token, (used, workspace) in list(self._open.items()):
            if used < oldest or token in too_many:
                del self._open[token]
                workspace.close()
