"""Uploads that wait on disk to be whole, and a disk that has no room for them."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hangtag.server.application import create_application
from hangtag.server.settings import Settings
from serving import PROBLEM, garment_photo

LARGE = 2 * 2**20
"""More than is kept in memory while an upload arrives."""


def test_a_full_disk_is_the_servers_problem_and_not_the_clients(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with TestClient(create_application(Settings(model=str(tiny_model)))) as client:
        monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", full)
        padded = garment_photo() + bytes(LARGE)
        answer = client.post("/predict", files={"image": padded})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["type"] == "urn:hangtag:problem:no-room"
        assert "temporary folder" in answer.json()["cure"]
        monkeypatch.undo()
        assert client.post("/predict", files={"image": padded}).status_code == 200
