"""Uploads become photos, whatever is in them."""

import io
import lzma
import zipfile

import pytest

from hangtag.app import uploads
from hangtag.app.uploads import unpack


def packed(members: dict[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file


def test_a_photo_passes_as_it_is():
    [upload] = unpack("a.jpg", io.BytesIO(b"pixels"))
    assert (upload.name, upload.data, upload.error) == ("a.jpg", b"pixels", None)


def test_a_zip_gives_its_photos_and_nothing_else():
    file = packed(
        {
            "shop/a.JPG": b"a",
            "b.png": b"b",
            "notes.txt": b"n",
            "__MACOSX/b.png": b"x",
            ".c.jpg": b"",
        }
    )
    assert [(one.name, one.data) for one in unpack("photos.zip", file)] == [
        ("shop/a.JPG", b"a"),
        ("b.png", b"b"),
    ]


def test_a_zip_is_known_without_its_ending():
    assert [one.name for one in unpack("photos", packed({"a.jpg": b"a"}))] == ["a.jpg"]


def test_a_zip_without_photos_says_so():
    [upload] = unpack("notes.zip", packed({"notes.txt": b"n"}))
    assert upload.error == "notes.zip: there is no photo in this zip; pack JPEG or PNG files"


def test_a_damaged_zip_says_so():
    [upload] = unpack("photos.zip", io.BytesIO(b"PK\x03\x04 and no more"))
    assert upload.error == "photos.zip: the zip is damaged or unusual; pack it again"


def test_a_damaged_member_costs_only_itself():
    file = packed({"a.jpg": b"a" * 500, "b.jpg": b"b"})
    damaged = bytearray(file.getvalue())
    damaged[40] ^= 0xFF  # inside the first member's data
    first, second = unpack("photos.zip", io.BytesIO(bytes(damaged)))
    assert first.error == "a.jpg: damaged in the zip; pack it again"
    assert second.data == b"b"


@pytest.mark.parametrize(
    "raised", [NotImplementedError("disks"), ValueError("odd"), lzma.LZMAError("odd")]
)
@pytest.mark.parametrize("where", ["__init__", "open"])
def test_whatever_an_odd_zip_raises_is_an_error_of_its_own(
    where: str, raised: Exception, monkeypatch: pytest.MonkeyPatch
):
    file = packed({"a.jpg": b"a"})

    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(zipfile.ZipFile, where, fail)
    [upload] = unpack("odd.zip", file)
    assert upload.error is not None
    assert "pack it" in upload.error


def test_a_name_that_is_no_utf_8_is_an_error_of_its_own():
    data = bytearray(packed({"ä.jpg": b"a"}).getvalue().replace("ä".encode(), b"\xff\xff"))
    [upload] = unpack("odd.zip", io.BytesIO(bytes(data)))
    assert upload.error == "odd.zip: the zip is damaged or unusual; pack it again"


def test_a_zip_with_too_much_in_it_is_cut_off(monkeypatch):
    monkeypatch.setattr(uploads, "MAX_ZIP_BYTES", 1500)
    members = {f"{number}.jpg": bytes(1000) for number in range(3)}
    first, rest = unpack("bomb.zip", packed(members))
    assert len(first.data) == 1000
    assert rest.error == "bomb.zip: 2 photos left out, the zip is too large; split it"
