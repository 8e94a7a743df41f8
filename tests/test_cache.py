"""What is kept in the cache folder, until when, and what becomes of what isn't whole."""

import errno
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from drawing import draw_garment
from hangtag.cache import fingerprint, kept
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.photo_cache import cached_photos

SIZE = (32, 24)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HANGTAG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, colour in enumerate(("Red", "Blue", "Green")):
        draw_garment("Shirts", colour).save(folder / f"{number}.png")
    return folder


def test_a_photo_that_is_overwritten_is_read_again(photos: Path) -> None:
    before = cached_photos(read_catalogue(photos), SIZE).pixels[1].copy()
    draw_garment("Heels", "Black").save(photos / "1.png")
    state = photos.stat()
    os.utime(photos, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = cached_photos(read_catalogue(photos), SIZE).pixels
    assert (after[1] != before).any()


def test_the_caches_of_archives_go_by_the_archive_alone(photos: Path, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(photos / "0.png", "0.png")
    before = fingerprint(read_catalogue(archive))
    (tmp_path / "0.png").write_bytes(b"a file beside it")
    assert fingerprint(read_catalogue(archive)) == before


def test_a_damaged_member_of_an_archive_is_an_unreadable_photo(
    photos: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for photo in sorted(photos.iterdir()):
            file.write(photo, photo.name)
    whole = archive.read_bytes()
    middle = whole.index((photos / "1.png").read_bytes()) + 200
    archive.write_bytes(whole[:middle] + b"no photo" + whole[middle + 8 :])
    found = cached_photos(read_catalogue(archive), SIZE)
    assert found.readable.tolist() == [True, False, True]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no room")
def test_a_full_disk_is_said_before_photos_are_written(
    photos: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(HangtagError, match=r"can't write the cache \(No space left"):
        cached_photos(read_catalogue(photos), SIZE)
    assert list(own_cache.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="processes can't be asked for")
def test_what_dead_processes_left_is_removed(own_cache: Path) -> None:
    own_cache.mkdir()
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    ).stdout.decode()
    host = socket.gethostname()
    left = own_cache / f"photos-1-{host}-{int(dead)}.partial.npy"
    others = [
        own_cache / f"photos-1-{host}-{os.getppid()}.partial.npy",
        own_cache / f"photos-1-not-{host}x-{int(dead)}.partial.npy",
    ]
    for file in (left, *others):
        file.touch()
    with kept(own_cache / "new.npy") as file:
        np.save(file, np.zeros(1))
    assert not left.exists()
    assert all(file.exists() for file in others)
    assert (own_cache / "new.npy").exists()
