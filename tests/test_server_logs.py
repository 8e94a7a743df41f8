from hangtag.server import logs


def test_what_pillow_reads_in_a_photo_is_never_logged():
    assert logs.configuration("debug")["loggers"]["PIL"] == {"level": "WARNING"}
