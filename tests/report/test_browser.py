"""The page in a Chromium: numbers open their samples, a search finds, keys work, hostile texts stay texts."""

import shutil

import pytest
from page_cases import HOSTILE

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def shown(page):
    """The page as a phone shows it; every error of the page is collected in `faults`."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.set_default_timeout(20_000)
        tab.faults = []
        tab.on("pageerror", lambda error: tab.faults.append(str(error)))
        tab.on("console", lambda message: tab.faults.append(message.text))
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]", state="attached")
        yield tab
        browser.close()


def test_a_number_opens_its_samples_which_can_be_searched_and_closed(shown):
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    bar = shown.locator(".bars tr", has_text="yes/no").first.locator("button")
    bar.focus()
    shown.keyboard.press("Enter")
    assert "5 samples · ours: mean overall 0.00 · theirs: mean overall 100.00" in shown.text_content("#b-count")
    cards = shown.locator("#b-list li")
    assert cards.count() == 5 and "Is there a dog?" in cards.first.text_content()
    assert cards.first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    shown.fill("#b-search", "dog 13")
    sync_api.expect(cards).to_have_count(1)
    assert "13 · image" in cards.first.text_content()
    # Within the search the key empties it first.
    shown.locator("#b-sort").focus()
    shown.keyboard.press("Escape")
    assert not shown.locator("#browser").evaluate("dialog => dialog.open")
    assert shown.evaluate("document.activeElement.textContent") == "0.00"


def test_a_link_to_a_view_opens_it(shown):
    shown.locator("button.all").click()
    shown.select_option("#b-sort", label="theirs ahead of ours first")
    shown.locator("#b-filters select").first.select_option(label="number")
    link, first = shown.url, shown.locator("#b-list li").first.text_content()
    shown.goto("about:blank")
    shown.goto(link)
    assert shown.locator("#b-list li").first.text_content() == first and "How many?" in first
    shown.locator("#b-close").click()
    assert "#" not in shown.url


def test_texts_of_users_stay_texts(shown):
    shown.locator("button.all").click()
    shown.fill("#b-search", "onerror")
    sync_api.expect(shown.locator("#b-list li")).to_have_count(5)
    assert HOSTILE in shown.locator("#b-list li").first.text_content()
    assert "vlhyper report" in shown.title() and shown.faults == []
