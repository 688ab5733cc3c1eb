"""The page of `vlhyper serve`: its answers and errors, and the whole of it in a headless Chromium."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from PIL import Image

from vlhyper.ask import page as pages
from vlhyper.ask.answers import Answer, Said, percent
from vlhyper.ask.asker import Asker
from vlhyper.ask.questions import page_tasks
from vlhyper.cli import run
from vlhyper.errors import UserError

pytestmark = [
    # Its import takes seconds, so that it is not tried here.
    pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed"),
    pytest.mark.usefixtures("fresh_process"),
    # Libraries below gradio.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
QUESTION = "what color is the circle?"


@pytest.fixture(scope="module")
def asker(asked):
    found = Asker(asked)
    found.images.most_pixels = 224 * 224
    return found


@pytest.fixture(scope="module")
def picture(lab):
    return str(sorted((lab.folder / "images" / "test").glob("*.jpg"))[0])


def test_answers_are_escaped_and_have_bars_of_their_probability():
    said = pages.told(Answer("<b>", 0.5, (Said("", 0.0001),), Said("<b>", 0.25)))
    assert "&lt;b&gt;" in said and "<b>" not in said and "width: 50.00%" in said and "<i>nothing</i>" in said
    assert "the same without the image" in said and "&lt; 0.1%" in said


def test_what_is_wrong_is_one_line_without_the_folder(asker, picture, tmp_path):
    page = pages.Page(asker)
    Image.new("RGB", (300, 300)).save(tmp_path / "large.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    for image, question, why in (
        (None, QUESTION, "there is no image yet"),
        (picture, " ", "the question of its prompt"),
        (str(tmp_path / "broken.jpg"), QUESTION, ">broken.jpg: cannot be read (not an image of a known format)"),
        (str(tmp_path / "large.png"), QUESTION, ">large.png: cannot be read (300 x 300 pixels are more than 50176"),
    ):
        told, asked = page.ask(image, question, "vqa")
        assert asked is None and told.startswith('<p class="wrong"') and why in told
        assert page.map(asked)[1] == ""


def test_a_run_that_sees_no_images_has_no_page(blind):
    with pytest.raises(UserError, match="sees an image with the method 'hyperpelt'; ask it from the text alone"):
        run(["serve", str(blind)])


@contextmanager
def chromium():
    """A headless browser, or a skipped test with the reason."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_two_users_drop_an_image_ask_and_read_the_answer(asker, asked, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "heavy.jpg").write_bytes(bytes(300_000))
    expected, tasks = asker.ask(picture, QUESTION), page_tasks(asker.config, asked)
    with chromium() as browser, pages.temporary() as folder:
        blocks = pages.build(pages.Page(asker), tasks, "Ask")
        with pages.running(blocks, None, 200_000) as address:
            # The second on a phone, in the dark.
            users = [
                browser.new_context(viewport={"width": 1280, "height": 900}).new_page(),
                browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page(),
            ]
            asked_of = []
            for user in users:
                user.set_default_timeout(90_000)
                user.on("request", lambda request: asked_of.append(request.url))
                user.goto(address)
            for user in users:
                user.locator("input[type=file]").first.set_input_files(picture)
                user.get_by_label("Question").fill(QUESTION)
                user.get_by_role("button", name="Ask").click()
            for user in users:
                user.locator(".legend").wait_for()
                assert user.locator(".first .text").inner_text() == expected.answer
                assert user.locator(".first .share").inner_text() == percent(expected.probability)
                assert user.locator(".without .text").inner_text() == (expected.without_image.answer or "nothing")
                assert "Check: with the 1 highest cells blanked" in user.locator(".note").last.inner_text()
                user.get_by_alt_text("Map of what").wait_for()
                # Nothing is wider than the screen.
                assert user.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            phone = users[1]
            assert phone.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
            phone.get_by_role("button", name="Caption").click()
            phone.get_by_text(asker.ask(picture, task="caption").answer).first.wait_for()
            desk = users[0]
            desk.get_by_label("Remove Image").or_(desk.get_by_label("Clear")).first.click()
            desk.locator("input[type=file]").first.set_input_files(tmp_path / "broken.jpg")
            desk.get_by_role("button", name="Ask").click()
            desk.get_by_text("broken.jpg: cannot be read (not an image of a known format)").wait_for()
            desk.locator(".legend").wait_for(state="detached")
            desk.get_by_label("Remove Image").or_(desk.get_by_label("Clear")).first.click()
            desk.locator("input[type=file]").first.set_input_files(tmp_path / "heavy.jpg")
            desk.get_by_text("exceed the maximum allowed size").first.wait_for()
            assert all(url.startswith((address, "data:", "blob:")) for url in asked_of)
            assert any(folder.rglob("*.jpg"))
    assert not folder.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.jpg", "heavy.jpg"]
