"""The map's page in a real browser: pointing, tapping, the keyboard, and a phone."""

import pytest

from artculture.analysis.embedding.painting_map import map_finding
from tests.unit.analysis.synthetic import about, make_embeddings, picture

pytest.importorskip("selenium", reason="selenium is not installed (the `dev` extra has it)")
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import needs_browser, open_browser

pytestmark = needs_browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    embeddings = make_embeddings(("Dutch", "Indian", "French"), 8)
    path = tmp_path_factory.mktemp("map") / "painting_map.html"
    path.write_text(map_finding(embeddings, about(embeddings), picture).page, encoding="utf-8")
    return path


@pytest.fixture
def page(chromium, written):
    chromium.get(written.as_uri())
    WebDriverWait(chromium, 20).until(lambda browser: browser.find_elements("css selector", "#cultures button"))
    yield chromium
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


def _card(page):
    return page.find_element("id", "card").text


def test_the_keyboard_walks_from_painting_to_painting(page):
    canvas = page.find_element("id", "map")
    seen = set()
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_DOWN):
        canvas.send_keys(key)
        seen.add(page.find_element("css selector", "#card h2").text)
    assert len(seen) >= 2
    assert all(title.startswith("Painting </script>") for title in seen)
    canvas.send_keys(Keys.ESCAPE)
    assert "No painting chosen" in _card(page)


def test_the_card_shows_the_painting_and_its_neighbours(page):
    page.find_element("id", "map").send_keys(Keys.ARROW_RIGHT)
    loaded = "return [...document.querySelectorAll('#card img')].every((image) => image.naturalWidth > 0)"
    WebDriverWait(page, 20).until(lambda browser: browser.execute_script(loaded))
    assert "Artist" in _card(page)
    assert "% confidence" in _card(page)
    near = page.find_elements("css selector", "#near button")
    assert len(near) == 6
    before = page.find_element("css selector", "#card h2").text
    near[0].click()
    assert page.find_element("css selector", "#card h2").text != before


def test_pointing_shows_and_clicking_keeps(page):
    canvas = page.find_element("id", "map")
    canvas.send_keys(Keys.ESCAPE)
    assert "No painting chosen" in _card(page)
    # Across the whole map in strokes 30 pixels apart: the mouse comes within reach of every dot.
    strokes = ActionChains(page, duration=0)
    for y in range(-240, 241, 30):
        for x in range(-270, 271, 30):
            strokes.move_to_element_with_offset(canvas, x, y)
    strokes.perform()
    assert "% confidence" in _card(page)


def test_a_culture_can_be_shown_alone(page):
    button = page.find_elements("css selector", "#cultures button")[0]
    assert button.text == "Indian 8"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    for _ in range(3):
        page.find_element("id", "map").send_keys(Keys.ARROW_DOWN)
        assert "Indian (" in _card(page)


def test_a_phone_shows_it_without_scrolling_sideways(page):
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.refresh()
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert page.find_element("id", "map").size["height"] > 250
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
