"""Starting, sharing the work and stopping: what was accepted is answered."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from serving import (
    PATIENCE_SECONDS,
    Server,
    answer,
    garment_photo,
    multipart,
    predict,
    request_head,
)


@pytest.fixture(scope="module")
def photo():
    return garment_photo()


def test_an_accepted_upload_is_answered_after_sigterm(tiny_model, photo, tmp_path):
    with Server(tiny_model, tmp_path) as server:
        body, content_type = multipart(photo)
        with server.connect() as slow:
            slow.sendall(request_head("/predict", body, content_type) + body[:50])
            wait_for(lambda: in_flight(server) == 2)  # the slow one, and the question itself
            server.terminate()
            wait_for(lambda: refused(server))
            slow.sendall(body[50:])
            status, _ = answer(slow)
        assert status == 200
        server.wait()


def test_sigterm_under_load_loses_no_accepted_request(tiny_model, photo, tmp_path):
    answered = []
    broken_off = []

    def client():
        while True:
            try:
                reply = server.post("/predict", files={"image": photo})
                answered.append(reply.headers["x-request-id"])
                assert reply.status_code == 200
            except httpx.TransportError as error:
                broken_off.append(error)
                return

    with Server(tiny_model, tmp_path) as server:
        clients = [threading.Thread(target=client) for _ in range(12)]
        for thread in clients:
            thread.start()
        wait_for(lambda: len(answered) > 50)
        server.terminate()
        for thread in clients:
            thread.join()
        server.wait()
    begun = [line["request"] for line in server.log() if line.get("route") == "/predict"]
    assert len(broken_off) == len(clients)
    assert sorted(begun) == sorted(answered)


def test_several_workers_share_the_port_and_the_numbers(tiny_model, photo, tmp_path):
    with Server(tiny_model, tmp_path, "--workers", "2") as server:
        with ThreadPoolExecutor(8) as clients:
            replies = list(clients.map(lambda _: predict(server, photo), range(40)))
        assert {reply.status_code for reply in replies} == {200}
        text = server.get("/metrics").text
        assert 'hangtag_photos_total{outcome="tagged"} 40.0' in text
        server.terminate()
        server.wait()


def in_flight(server):
    text = server.get("/metrics").text
    return float(re.search(r"^hangtag_requests_in_flight (\S+)", text, re.M)[1])


def refused(server):
    try:
        server.get("/health")
    except httpx.TransportError:
        return True
    return False


def wait_for(condition, seconds=PATIENCE_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
