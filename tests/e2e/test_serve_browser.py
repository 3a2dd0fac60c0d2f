"""The page of `artculture serve` in a real browser: a picture, a wrong file, an example; widths, keyboard, contrast."""

from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed (the `dev` extra has it)")
pytest.importorskip("fastapi", reason="fastapi is not installed (the `serve` extra has it)")
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import emulate, needs_browser, open_browser
from tests.unit.serving.web.conftest import configured, model, paintings, picture, serving  # noqa: F401 - fixtures

pytestmark = needs_browser


@pytest.fixture(scope="module")
def opened(serving, tmp_path_factory):  # noqa: F811
    with serving() as server, open_browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.get(str(server.client.base_url))
        yield browser


@pytest.fixture
def show(opened):
    def at(width, scheme="light"):
        emulate(opened, width, scheme=scheme)
        return opened

    return at


def choose(browser, path: Path):
    """Give the page a file, and wait for its answer."""
    browser.execute_script("document.getElementById('status').textContent = 'waiting'")
    browser.find_element("id", "file").send_keys(str(path))
    WebDriverWait(browser, 60).until(lambda b: not b.execute_script("return document.body.matches('.busy')"))


def text(browser, name):
    return browser.find_element("css selector", name).text


def test_a_chosen_picture_shows_cultures_maps_and_neighbours(show, tmp_path):
    browser = show(1280)
    path = tmp_path / "a.png"
    path.write_bytes(picture((300, 200)))
    choose(browser, path)
    assert text(browser, ".answer h2") in ("Dutch", "French", "Indian")
    assert text(browser, "#status").startswith("a.png: ")
    assert len(browser.find_elements("css selector", ".bars li")) == 3
    assert "validation paintings" in text(browser, ".answer")
    links = browser.find_elements("css selector", ".similar a")
    assert [link.get_attribute("href") for link in links] == ["https://museum.example/2"]
    assert "<b>Night</b>" in text(browser, ".similar")
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(broken) == 0)
    assert len(browser.find_elements("css selector", ".maps img")) == 2
    assert browser.execute_script("return document.activeElement.id") == "results"


def test_an_example_is_asked_by_keyboard(show):
    browser = show(1280)
    browser.find_element("css selector", "[data-example]").send_keys(Keys.ENTER)
    WebDriverWait(browser, 60).until(lambda b: text(b, "#status").startswith("A <i>title</i>: "))


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(show, width, scheme):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed (the `dev` extra has it)")
    browser = show(width, scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    browser.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8"))
    found = browser.execute_async_script(
        "axe.run(document).then(({ violations }) => "
        "arguments[0](violations.map(({ id, nodes }) => [id, nodes[0].html])))"
    )
    assert found == []


def test_a_wrong_file_and_a_private_link_are_explained(show, tmp_path):
    browser = show(390)
    path = tmp_path / "notes.png"
    path.write_bytes(b"no picture")
    choose(browser, path)
    assert text(browser, "#error") == "The picture can't be read: not a picture of a kind that can be read."
    browser.find_element("id", "link").send_keys("http://127.0.0.1/a.png", Keys.ENTER)
    WebDriverWait(browser, 60).until(lambda b: "private network" in text(b, "#error"))


def test_nothing_comes_from_another_host_and_no_script_fails(opened):
    # Refusals of the test above are errors of the network, which the console lists too.
    errors = [entry["message"] for entry in opened.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in errors if "/predict" not in message] == []
    sent = [entry["message"] for entry in opened.get_log("performance") if 'requestWillBeSent"' in entry["message"]]
    assert sent
    assert [message for message in sent if '"url":"http' in message and '"url":"http://127.0.0.1:' not in message] == []
