"""The app's pages, run without a browser."""

import io
import json
import re
from pathlib import Path

import pytest

from drawing import draw_garment

pytest.importorskip("streamlit", reason="needs hangtag[app]")

from streamlit.testing.v1 import AppTest

import hangtag.app
from hangtag import Tagger
from hangtag.app import launch
from hangtag.app.uploads import Upload
from hangtag.app.workspace import Workspace
from hangtag.errors import HangtagError

SCRIPT = Path(hangtag.app.__file__).with_name("main.py")


@pytest.fixture
def app(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(launch.MODEL_VARIABLE, str(tiny_model))
    return AppTest.from_file(str(SCRIPT), default_timeout=120).run()


def upload(app: AppTest, *files: tuple[str, bytes]) -> None:
    uploaded = [(name, data, "application/octet-stream") for name, data in files]
    app.file_uploader[0].set_value(uploaded).run()


def jpeg(kind: str = "Tshirts") -> bytes:
    file = io.BytesIO()
    draw_garment(kind, "Blue", (320, 240)).save(file, "JPEG")
    return file.getvalue()


def shown(app: AppTest) -> str:
    return re.sub(r"<[^>]+>", " ", " ".join(one.value for one in app.get("html")))


def test_the_first_visit_invites_to_drop_photos(app: AppTest):
    assert not app.exception
    assert "Tag product photos" in shown(app)
    assert app.file_uploader[0].label.startswith("Drop photos here")


def test_uploaded_photos_become_cards(app: AppTest):
    upload(app, ("<b>a.jpg", jpeg()), ("broken.jpg", b"not a photo"))
    assert not app.exception
    text = shown(app)
    assert "Article type" in text
    assert "&lt;b&gt;a.jpg" in text
    assert "broken.jpg: " in text
    assert app.file_uploader[0].value == []


def test_looking_closer_shows_the_photo_and_its_doubts(app: AppTest):
    upload(app, ("a.jpg", jpeg()))
    next(button for button in app.button if button.label == "Look closer").click().run()
    assert not app.exception
    assert len(app.selectbox) == 7
    colour = next(box for box in app.selectbox if box.label.startswith("Base colour"))
    colour.select("Red").run()
    assert "1 decided by you, 1 corrected" in re.sub(r"\s+", " ", shown(app))
    undo = next(button for button in app.button if button.label == "Take back")
    undo.click().run()
    assert "0 decided by you" in re.sub(r"\s+", " ", shown(app))


def test_all_views_work_with_a_filter_that_finds_nothing(app: AppTest):
    upload(app, ("a.jpg", jpeg()))
    app.session_state["name filter"] = "zebra"
    for view in ("Photos", "One by one", "Table", "Download"):
        app.session_state["view"] = view
        app.run()
        assert not app.exception


def test_a_table_that_was_left_is_not_come_back_to(app: AppTest):
    def show(view: str) -> str:
        app.session_state["view"] = view
        app.run()
        assert not app.exception
        return app.session_state["table key"]

    upload(app, ("a.jpg", jpeg()))
    first = show("Table")
    assert show("Table") == first
    show("Photos")
    second = show("Table")
    assert second != first
    next(button for button in app.button if button.label == "Delete and start over").click().run()
    upload(app, ("a.jpg", jpeg()))
    assert show("Table") not in (first, second)


def test_photos_that_another_tab_adds_while_some_are_tagged_count_too(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
):
    tag_some = Workspace.tag_some

    def interrupted(workspace: Workspace, tagger: Tagger) -> int:
        if len(workspace.review) < 2:
            workspace.receive([Upload("b.jpg", jpeg()), Upload("c.jpg", jpeg())])
        return tag_some(workspace, tagger, 1)

    monkeypatch.setattr(Workspace, "tag_some", interrupted)
    upload(app, ("a.jpg", jpeg()))
    assert not app.exception
    assert "c.jpg" in shown(app)


def test_starting_over_forgets_everything(app: AppTest):
    upload(app, ("a.jpg", jpeg()))
    before = app.query_params
    next(button for button in app.button if button.label == "Delete and start over").click().run()
    assert "Tag product photos" in shown(app)
    assert app.query_params != before


def test_a_missing_model_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(launch.MODEL_VARIABLE, "nowhere")
    app = AppTest.from_file(str(SCRIPT), default_timeout=120).run()
    assert not app.exception
    assert "nowhere" in app.error[0].value


def test_the_model_page_shows_what_the_model_can_say(tiny_model: Path, app: AppTest):
    page = AppTest.from_function(_model_page, default_timeout=120).run()
    assert not page.exception
    names = [
        one["name"] for one in json.loads((tiny_model / "model.json").read_text())["attributes"]
    ]
    assert [option.split(" · ")[0] for option in page.get("button_group")[0].options] != []
    assert len(page.get("button_group")[0].options) == len(names)


def _model_page() -> None:
    from hangtag.app.views import model

    model.page()


def test_a_port_in_use_is_refused_in_one_line(tiny_model: Path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HangtagError, match=f"127.0.0.1:{port}: .*--port"):
            launch.launch(str(tiny_model), port=port, browser=False)
