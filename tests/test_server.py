"""The API as its clients see it: a real process, real connections, photos good and bad."""

import base64
import io
import json
import re
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from hangtag.precision import PRECISIONS
from hangtag.server import routes
from serving import (
    PATIENCE_SECONDS,
    Server,
    answer,
    garment_photo,
    multipart,
    predict,
    problem,
    request_head,
)

JSON = {"Content-Type": "application/json"}
DOCS = Path(__file__).parent.parent / "docs" / "serving.md"


@pytest.fixture(scope="module")
def server(tiny_model, tmp_path_factory):
    with Server(tiny_model, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def photo():
    return garment_photo()


# ---- what the documentation promises


def test_the_calls_in_the_documentation_work(server, photo, tmp_path):
    (tmp_path / "shirt.jpg").write_bytes(photo)
    (tmp_path / "trousers.jpg").write_bytes(photo)
    (tmp_path / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    section = DOCS.read_text().split("## Five calls")[1].split("\n## ")[0]
    calls = re.findall(r"```sh\n(.*?)```", section, re.S)
    assert len(calls) == 5
    for call in calls:
        command = call.replace("http://localhost:5000", server.url)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env={"CURL_HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{call}{done.stderr}"
        assert '"status":"' in done.stdout


def test_a_photo_gets_what_clients_of_older_services_expect_and_its_tags(server, photo):
    result = predict(server, photo).json()
    assert result["status"] == "success"
    assert {"baseColour", "articleType", "season", "gender"} <= set(result["predictions"])
    assert set(result["confidences"]) == set(result["predictions"]) == set(result["tags"])
    assert all(0 <= confidence <= 1 for confidence in result["confidences"].values())
    for name, tag in result["tags"].items():
        assert tag["value"] == result["predictions"][name]
        assert tag["decision"] in ("accept", "review")
        assert all(other["value"] != tag["value"] for other in tag["alternatives"])


def test_all_three_ways_in_give_the_same_tags(server, photo):
    tags = predict(server, photo).json()["tags"]
    text = base64.b64encode(photo).decode()
    for image in (text, f"data:image/jpeg;base64,{text}"):
        reply = server.post("/predict_base64", json={"image": image})
        assert reply.json()["predictions"] == {name: tag["value"] for name, tag in tags.items()}
    files = [("images", ("a.jpg", photo)), ("images", ("b.jpg", photo))]
    batch = server.post("/predict_batch", files=files).json()
    assert batch["status"] == "success"
    assert [one["photo"] for one in batch["results"]] == ["a.jpg", "b.jpg"]
    for one in batch["results"]:
        assert one["predictions"] == {name: tag["value"] for name, tag in tags.items()}


@pytest.mark.parametrize("given", [["gender,season"], ["gender", "season"]])
def test_attributes_can_be_restricted(server, photo, given):
    assert set(predict(server, photo, attributes=given).json()["tags"]) == {"gender", "season"}


def test_an_unknown_attribute_is_answered_with_the_known_ones(server, photo):
    document = problem(predict(server, photo, attributes="sleeve"), 422)
    assert "sleeve" in document["detail"]
    assert "articleType" in document["cure"]


def test_an_explanation_is_a_picture_for_each_attribute(server, photo):
    result = predict(server, photo, explain="true", attributes="articleType,baseColour").json()
    assert set(result["explanations"]) == {"articleType", "baseColour"}
    size = server.get("/model").json()["input_size"]
    for text in result["explanations"].values():
        picture = Image.open(io.BytesIO(base64.b64decode(text)))
        assert picture.format == "PNG"
        assert picture.size == (size[1], size[0])


def test_a_broken_photo_in_a_batch_costs_only_itself(server, photo):
    files = [
        ("images", ("good.jpg", photo)),
        ("images", ("torn.jpg", photo[:200])),
        ("images", ("too.jpg", photo)),
    ]
    batch = server.post("/predict_batch", files=files).json()
    assert (batch["status"], batch["errors"]) == ("partial", 1)
    good, torn, too = batch["results"]
    assert good["tags"] and too["tags"]
    assert (torn["status"], torn["tags"]) == ("error", {})
    assert torn["error"].startswith("torn.jpg: ")


def test_the_model_describes_itself(server):
    described = server.get("/model").json()
    assert described["card"].startswith("#") or described["card"].startswith("---")
    for attribute in described["attributes"]:
        assert attribute["values"]
        assert set(attribute["thresholds"]) <= {f"{share:g}" for share in PRECISIONS}


def test_prometheus_can_read_how_many_photos_were_tagged(server, photo):
    def tagged():
        text = server.get("/metrics").text
        return float(re.search(r'hangtag_photos_total\{outcome="tagged"\} (\S+)', text)[1])

    predict(server, photo)
    before = tagged()
    predict(server, photo)
    assert tagged() == before + 1


def test_the_page_to_try_the_api_on_needs_no_other_server(tiny_model, tmp_path):
    with Server(
        tiny_model, tmp_path, HANGTAG_API_KEY="sesame"
    ) as server:  # it is open all the same
        page = server.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "'self'" in page.headers["content-security-policy"]
        assert "<script>" not in page.text
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        loaded = [address for address in loaded if not address.startswith("data:")]
        assert len(loaded) == 3
        for address in loaded:
            target = httpx.URL(f"{server.url}/docs").join(address)
            assert str(target).startswith(server.url)
            assert server.get(target.path).status_code == 200
        assert "http" not in server.get("/docs/start.js").text
        assert server.get("/redoc").status_code == 401
        key = {"X-API-Key": "sesame"}
        for other in ("/redoc", "/docs/assets/redoc.standalone.js"):
            problem(server.get(other, headers=key), 404)


# ---- bad input


def png(width, height, data):
    """A PNG that declares a size and holds what it likes."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def png_with_text_bomb():
    """A small, sound PNG whose compressed comment unfolds to 200 MB."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    sound = file.getvalue()
    content = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return sound[:33] + chunk + sound[33:]  # after the header


BOMB = png(30_000, 30_000, zlib.compress(bytes(1_000_000), 9))


@pytest.mark.parametrize(
    "upload",
    [b"", b"<html>no photo</html>", b"%PDF-1.7", b"\xff\xd8\xff\xe0", BOMB, png(8, 8, b"junk")],
    ids=["empty", "web page", "PDF", "only a JPEG's start", "decompression bomb", "damaged PNG"],
)
def test_what_is_no_photo_is_refused_with_the_cure(server, upload):
    document = problem(predict(server, upload), 422)
    assert document["type"] == "urn:hangtag:problem:unreadable-photo"
    assert document["cure"]


def test_a_comment_that_unfolds_without_end_is_not_unfolded(server):
    problem(predict(server, png_with_text_bomb()), 422)


def test_the_bytes_decide_not_the_declared_type(server, photo):
    body, content_type = multipart(photo, kind="text/html")
    reply = server.post("/predict", content=body, headers={"Content-Type": content_type})
    assert reply.json()["status"] == "success"


def test_requests_that_lack_the_photo_are_told_how_to_send_it(server, photo):
    wrong_field = server.post("/predict", files={"file": photo})
    assert "-F image=@" in problem(wrong_field, 422)["cure"]
    assert "-F image=@" in problem(server.post("/predict"), 422)["cure"]
    for content in (b'{"image": "%%%"}', b'{"picture": ""}', b'{"image": ', b"[]", b'{"image": 7}'):
        reply = server.post(
            "/predict_base64",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert "base64" in problem(reply, 422)["cure"]


def test_other_addresses_and_methods_are_problems_too(server):
    problem(server.get("/nothing"), 404)
    problem(httpx.put(f"{server.url}/predict", timeout=PATIENCE_SECONDS), 405)


def test_a_name_that_is_no_text_is_answered_with_question_marks(server, photo):
    for charset, name in (("unicode_escape", rb"\ud800.jpg"), ("utf-8", b"a\x1b[2J.jpg")):
        body, _ = multipart(photo)
        reply = server.post(
            "/predict",
            content=body.replace(b'filename="0.jpg"', b'filename="' + name + b'"'),
            headers={
                "Content-Type": f"multipart/form-data; charset={charset}; boundary=a-boundary"
            },
        )
        assert reply.status_code == 200, reply.text
        assert reply.json()["photo"].replace("?", "") in (".jpg", "a[2J.jpg")


def test_base64_may_have_line_breaks(server, photo):
    image = base64.encodebytes(photo).decode()
    assert server.post("/predict_base64", json={"image": image}).json()["status"] == "success"
    for image in ("a" * 4 + "é", "\ud800"):
        reply = server.post("/predict_base64", content=json.dumps({"image": image}), headers=JSON)
        assert "base64" in problem(reply, 422)["cure"]


def test_an_attribute_named_many_times_is_explained_once():
    # Each explanation is a run of the network, and an address has room for thousands of names.
    assert routes._checked(["a,b,a", "b"] * 1000, ["a", "b", "c"]) == ["a", "b"]


def test_methods_that_clients_make_up_are_not_counted_each(server):
    for number in range(3):
        httpx.request(f"MADEUP{number}", f"{server.url}/health", timeout=PATIENCE_SECONDS)
    assert "MADEUP" not in server.get("/metrics").text


@pytest.mark.parametrize("piece", [b"[", b"[],", b'{"a":', b"1,"])
def test_json_of_many_values_is_refused_before_it_is_built(server, piece):
    body = b'{"image": [' + piece * (20_000_000 // len(piece))
    document = problem(server.post("/predict_base64", content=body, headers=JSON), 422)
    assert "more than a photo" in document["detail"]
    assert "base64" in document["cure"]


def test_what_stands_between_chunks_and_after_them_is_bounded(server):
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for start in (b"1\r\na\r\n0\r\n", b"1;"):
        with server.connect() as endless, pytest.raises(ConnectionError):
            endless.sendall(head + start)
            for _ in range(10_000):
                endless.sendall(b"X-More: " + b"a" * 10_000 + (b"\r\n" if b"0" in start else b""))


def test_an_upload_that_offers_http2_is_read(server, photo):
    body, content_type = multipart(photo)
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    head = request_head("/predict", body, content_type).removesuffix(b"\r\n") + offer
    with server.connect() as java:
        java.sendall(head + body)
        assert answer(java)[0] == 200


def test_the_head_of_a_request_is_bounded_in_size_and_time(server):
    with server.connect() as endless, pytest.raises(ConnectionError):
        endless.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(10_000):
            endless.sendall(b"X-More: " + b"a" * 10_000 + b"\r\n")
    with server.connect() as silent, server.connect() as dawdler:
        dawdler.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
        assert silent.recv(1) == dawdler.recv(1) == b""
    with server.connect() as second:  # on a connection that has asked once, too
        second.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(second)[0] == 200
        second.sendall(b"GET /hea")
        assert second.recv(1) == b""


def test_broken_multipart_is_a_problem(server):
    reply = server.post(
        "/predict",
        content=b"no boundary anywhere",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert reply.status_code in (400, 422)
    problem(reply, reply.status_code)


def test_limits_hold_and_others_are_served_meanwhile(tiny_model, photo, tmp_path):
    options = ("--max-photo-mb", "0.5", "--max-upload-mb", "1", "--max-files", "3")
    with Server(tiny_model, tmp_path, *options, "--timeout", "5") as server:
        body, content_type = multipart(photo)
        dawdlers = [server.connect() for _ in range(30)]
        for dawdler in dawdlers:
            dawdler.sendall(request_head("/predict", body, content_type) + body[:200])

        assert predict(server, photo).json()["status"] == "success"
        assert "600,000" not in problem(predict(server, bytes(600_000)), 413)["detail"]
        assert predict(server, photo).json()["status"] == "success"

        endless = server.post(  # in chunks: no length is announced
            "/predict",
            content=iter([body[:200], *[bytes(10_000)] * 200]),
            headers={"Content-Type": content_type},
        )
        problem(endless, 413)

        files = [("images", ("a.jpg", photo))] * 4
        assert "3" in problem(server.post("/predict_batch", files=files), 422)["detail"]

        for dawdler in dawdlers:
            status, document = answer(dawdler)
            assert status == 408, document
            dawdler.close()
        assert predict(server, photo).json()["status"] == "success"


def test_memory_for_uploads_is_bounded_over_all_requests(tiny_model, photo, tmp_path):
    options = ("--max-photo-mb", "0.7", "--max-upload-mb", "1", "--max-memory-mb", "1")
    with Server(tiny_model, tmp_path, *options) as server:
        body, content_type = multipart(bytes(900_000), field="images")
        with server.connect() as holder:
            holder.sendall(request_head("/predict_batch", body, content_type) + body[:850_000])
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (reply := predict(server, photo + bytes(300_000))).status_code != 503:
                assert time.monotonic() < deadline
            assert problem(reply, 503)["type"] == "urn:hangtag:problem:busy"
            assert reply.headers["retry-after"] == "1"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while predict(server, photo + bytes(300_000)).status_code != 200:
            assert time.monotonic() < deadline


def test_a_full_queue_says_when_to_come_back(tiny_model, photo, tmp_path):
    with Server(tiny_model, tmp_path, "--queue", "2", "--max-files", "2") as server:
        files = [("images", ("a.jpg", photo))] * 2
        with ThreadPoolExecutor(16) as clients:
            replies = list(
                clients.map(lambda _: server.post("/predict_batch", files=files), range(48))
            )
        assert any(reply.status_code == 200 for reply in replies)
        busy = [reply for reply in replies if reply.status_code != 200]
        assert busy
        for reply in busy:
            assert problem(reply, 503)["type"] == "urn:hangtag:problem:busy"
            assert reply.headers["retry-after"] == "1"
        assert server.get("/health").json()["photos_waiting"] == 0


# ---- who may call


def test_only_those_with_the_key_are_answered(tiny_model, photo, tmp_path):
    with Server(tiny_model, tmp_path, HANGTAG_API_KEY="sésame") as server:
        assert problem(predict(server, photo), 401)["cure"].startswith("send the key")
        files = {"image": photo}
        key = "sésame".encode()
        for headers in ({"X-API-Key": key}, {"Authorization": b"Bearer " + key}):
            assert server.post("/predict", files=files, headers=headers).status_code == 200
        for headers in ({"X-API-Key": key + b"x"}, {"X-API-Key": b""}, {"Authorization": key[:-1]}):
            problem(server.post("/predict", files=files, headers=headers), 401)
        problem(server.get("/metrics"), 401)
        assert server.get("/health").status_code == 200
        assert "sésame" not in str(server.log())


def test_pages_of_other_origins_may_call_only_when_named(server, tiny_model, photo, tmp_path):
    shop = {"Origin": "https://shop.example"}
    allowed = "access-control-allow-origin"
    assert allowed not in server.get("/health", headers=shop).headers
    with Server(tiny_model, tmp_path, "--cors", "https://shop.example") as open_server:
        assert open_server.get("/health", headers=shop).headers[allowed] == shop["Origin"]
        evil = {"Origin": "https://evil.example"}
        assert allowed not in open_server.get("/health", headers=evil).headers


# ---- what operators see


def test_the_log_is_json_without_the_photo_or_its_name(server, photo):
    reply = server.post("/predict?key=hidden", files={"image": ("secret.jpg", photo)})
    (line,) = [one for one in server.log() if one.get("request") == reply.headers["x-request-id"]]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/predict", 200)
    assert line["milliseconds"] > 0
    assert "secret" not in str(server.log())
    assert "hidden" not in str(server.log())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "no-such-model"], "no-such-model"),
        (["--port", "{port}"], "--port"),
        (["--queue", "2"], "--max-files 2"),
    ],
)
def test_what_stops_the_start_is_said_in_one_line(server, tiny_model, options, reason):
    command = [option.format(port=server.port) for option in options]
    if "--model" not in command:
        command += ["--model", str(tiny_model)]
    done = subprocess.run(
        [sys.executable, "-m", "hangtag.cli", "serve", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
