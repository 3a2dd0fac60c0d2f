"""The report in a real browser: widths, contrast, dark mode, paper."""

import shutil
from pathlib import Path

import pytest

from artculture.report.page import write_report

pytest.importorskip("selenium", reason="selenium is not installed (the `dev` extra has it)")
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import emulate, needs_browser, open_browser

pytestmark = needs_browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def opened(chromium, whole_study, tmp_path_factory):
    """The page alone in a folder, so that no other file can help."""
    html, _ = write_report(whole_study, mistakes=12)
    alone = Path(shutil.copy(html, tmp_path_factory.mktemp("alone")))
    chromium.get(alone.as_uri())
    return chromium


@pytest.fixture
def show(opened):
    def at(width, scheme="light"):
        emulate(opened, width, scheme=scheme)
        return opened

    yield at
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_never_scrolls_sideways(show, width):
    browser = show(width)
    page = "document.documentElement"
    assert browser.execute_script(f"return {page}.scrollWidth - {page}.clientWidth") == 0
    assert browser.execute_script("return innerWidth") == width
    outside = """return [...document.querySelectorAll("body *")]
        .filter(e => !e.closest(".scroll, pre, .sr, .skip, thead") && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert browser.execute_script(outside) == []


def test_the_page_is_short_as_its_detail_is_folded(show):
    browser = show(1280)
    assert browser.execute_script("return document.documentElement.scrollHeight") < 8000
    assert browser.execute_script("return document.querySelectorAll('details.finding:not([open])').length") >= 2


@pytest.mark.parametrize(
    ("width", "scheme"),
    [*(pytest.param(width, "light", marks=pytest.mark.slow) for width in (360, 1280)), (1280, "dark")],
)
def test_axe_finds_nothing_that_keeps_anybody_out(show, width, scheme):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed (the `dev` extra has it)")
    browser = show(width, scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    browser.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8"))
    found = browser.execute_async_script(
        "axe.run(document, { iframes: false }).then(({ violations }) => "
        "arguments[0](violations.map(({ id, nodes }) => [id, nodes[0].html])))"
    )
    assert found == []


def test_the_interactive_figure_runs_in_its_sandbox(show):
    browser = show(1280)
    browser.execute_script("document.querySelector('.explore').open = true")
    frame = browser.find_element("css selector", "iframe")
    browser.execute_script("arguments[0].scrollIntoView()", frame)
    browser.switch_to.frame(frame)
    try:
        WebDriverWait(browser, 20).until(lambda b: b.find_element("id", "said").text == 'yes & "yes"')
        assert browser.execute_script("return self.origin") == "null"
    finally:
        browser.switch_to.default_content()


def test_all_pictures_show_and_none_comes_from_the_network(show):
    browser = show(1280)
    browser.execute_script("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
    broken = "return [...document.images].filter(i => i.complete && !i.naturalWidth).length"
    WebDriverWait(browser, 20).until(lambda b: b.execute_script("return [...document.images].every(i => i.complete)"))
    assert browser.execute_script(broken) == 0
    assert browser.execute_script("return document.images.length") >= 5
    sent = [
        entry["message"] for entry in browser.get_log("performance") if 'Network.requestWillBeSent"' in entry["message"]
    ]
    assert not any('"url":"http' in message for message in sent)


def test_on_paper_nothing_is_cut_off(show):
    browser = show(1280)
    # The width of A4 between the margins, in CSS pixels.
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    show_paper = {"width": 680, "height": 960, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", show_paper)
    try:
        cut = """return [...document.querySelectorAll(".scroll, pre")].filter(e => e.offsetParent !== null
            && e.scrollWidth > innerWidth).map(e => e.outerHTML.slice(0, 80))"""
        assert browser.execute_script(cut) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 680
        # Whole config files are not printed.
        folded = """return [...document.querySelectorAll("details:not(.explore) > :not(summary, .explore)")]
            .filter(e => !e.matches(".config > h4, .config > pre"))
            .filter(e => !e.checkVisibility({ contentVisibilityAuto: true })).map(e => e.outerHTML.slice(0, 80))"""
        assert browser.execute_script(folded) == []
        hidden = "return getComputedStyle(document.querySelector('.contents')).display"
        assert browser.execute_script(hidden) == "none"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
