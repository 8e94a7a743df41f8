import pytest

from hangtag.errors import HangtagError
from hangtag.server.settings import Settings


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({"queue": 63}, "--queue 63 .*64 photos.*--max-files"),
        ({"max_memory_mb": 63}, "--max-memory-mb 63 .*--max-upload-mb 64"),
        ({"max_photo_mb": 200, "max_upload_mb": 1}, "--max-memory-mb 256 .*--max-photo-mb 200"),
    ],
)
def test_limits_under_which_an_allowed_request_never_fits_are_refused(settings, cure):
    with pytest.raises(HangtagError, match=cure):
        Settings(**settings)


def test_limits_that_just_fit_are_taken():
    Settings(queue=3, max_files=3, max_upload_mb=1, max_photo_mb=0.5, max_memory_mb=1)
