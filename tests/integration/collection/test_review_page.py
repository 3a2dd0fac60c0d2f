"""The review page in a real browser, on a collection made by the command that users run."""

import json
import shutil
from pathlib import Path

import pytest

from artculture.cli import main
from artculture.collection.curation.exclusions import read_exclusions
from artculture.collection.curation.flags import describe_paintings
from artculture.collection.curation.review.builder import ReviewData, write_page
from artculture.data.manifest import Manifest, read_manifest
from tests.unit.collection.curation.samples import collection, encoded, stats, table, text_page

pytest.importorskip("selenium", reason="selenium is not installed (the `dev` extra has it)")
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser import needs_browser, open_browser

pytestmark = needs_browser


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory, downloads):
    with open_browser(tmp_path_factory.mktemp("profile"), downloads) as browser:
        # High enough for the cards of the small collection, which exist only near the window.
        browser.set_window_size(1200, 1500)
        yield browser


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("curate") / "met"
    cultures = ["French"] * 6 + ["Japanese"] * 9 + ["Indian"] * 3
    rows = [{"culture": c, "title": f"{c} scene {n}", "artist": f"Artist {n}"} for n, c in enumerate(cultures, start=1)]
    rows[1]["medium"] = "Bronze"
    rows[8]["title"] = 'Snuffbox, "round"'
    collection(root, *rows, images={17: encoded(text_page())})
    assert main(["curate", f"root={root}"]) == 0
    return root


class Page:
    """What a curator sees and does."""

    def __init__(self, browser, path):
        self.browser = browser
        # Pages of one folder share what the browser keeps.
        empty = path.with_name("empty.html")
        empty.write_text("<!doctype html><title>empty</title>")
        browser.get(empty.as_uri())
        browser.execute_script("localStorage.clear()")
        self.path = path
        self.open()

    def open(self):
        self.browser.get(self.path.as_uri())

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def click(self, selector):
        self.find(selector).click()

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def pick(self, name, value):
        Select(self.find(f"#{name}")).select_by_value(value)

    def card(self, title):
        return f'article:has(.title[title="{title}"])'

    def titles(self):
        return self.ask("[...document.querySelectorAll('article .title')].map((title) => title.title)")

    def states(self):
        cards = self.ask("[...document.querySelectorAll('article')].map(({ dataset }) => ({ ...dataset }))")
        return {card["place"]: card["state"] for card in cards if card["state"]}

    def ask(self, question):
        return self.browser.execute_script(f"return {question}")

    @property
    def progress(self):
        return self.find("#progress").text

    @property
    def toast(self):
        return self.find("#toast span").text


@pytest.fixture
def page(chromium, root):
    page = Page(chromium, root / "review.html")
    yield page
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_flagged_paintings_of_all_cultures_come_first_then_the_others_by_culture(page):
    headings = [h.text for h in page.browser.find_elements("css selector", "#headings h2")]
    assert headings == [
        "Flagged 3 paintings",
        "Japanese 9 of 9 stay \N{MIDDLE DOT} in the paper 1084 of 1149 \N{MIDDLE DOT} 8 shown",
        "French 6 of 6 stay \N{MIDDLE DOT} in the paper 815 of 940 \N{MIDDLE DOT} 5 shown",
        "Indian 3 of 3 stay \N{MIDDLE DOT} in the paper 372 of 559 \N{MIDDLE DOT} 2 shown",
    ]
    cards = [card.text for card in page.browser.find_elements("css selector", "article")]
    assert all(flag in card for flag, card in zip(("sculpture", "snuff box", "text page"), cards, strict=False))
    assert "French \N{MIDDLE DOT} Artist 2" in cards[0]
    assert page.progress == "0 of 3 flagged decided · 0 excluded · 18 of 18 stay"


def test_a_click_excludes_and_another_keeps(page):
    picture = page.card("French scene 3") + " .picture"
    page.click(picture)
    assert page.find(picture).get_attribute("aria-pressed") == "true"
    assert "1 excluded · 17 of 18 stay" in page.progress
    page.click(picture)
    assert page.states() == {"2": "kept"}
    assert "0 excluded" in page.progress


def test_shift_click_decides_a_stretch_and_undo_takes_it_back_whole(page):
    page.click(page.card("Japanese scene 7") + " .picture")
    last = page.find(page.card("Japanese scene 11") + " .picture")
    ActionChains(page.browser).key_down(Keys.SHIFT).click(last).key_up(Keys.SHIFT).perform()
    assert "4 excluded" in page.progress
    page.click("#undo")
    assert "1 excluded" in page.progress
    page.click("#redo")
    assert "4 excluded" in page.progress


def test_keys_alone_are_enough(page):
    page.press("n")
    page.press("x", "k", Keys.ARROW_RIGHT, "x", Keys.ARROW_DOWN, " ")
    assert len(page.states()) == 4
    page.press("u", "u")
    assert len(page.states()) == 2
    ActionChains(page.browser).key_down(Keys.SHIFT).send_keys("u").key_up(Keys.SHIFT).perform()
    assert len(page.states()) == 3
    page.press(Keys.END, "x")
    assert page.states()["17"] == "excluded"


def test_next_flagged_skips_what_is_decided(page):
    page.press("n", "x", "n", "x", "n")
    assert page.progress.startswith("2 of 3")
    assert page.states() == {"8": "excluded", "1": "excluded"}
    focused = page.browser.switch_to.active_element
    assert "flagged text page" in focused.get_attribute("aria-label")


@pytest.mark.parametrize(
    ("choices", "count"),
    [
        ({"flag": "any", "culture": "Japanese"}, 1),
        ({"flag": "none"}, 15),
        ({"state": "todo"}, 3),
        *(
            pytest.param(choices, count, marks=pytest.mark.slow)
            for choices, count in [
                ({"culture": "Indian"}, 3),
                ({"flag": "any"}, 3),
                ({"flag": "sculpture"}, 1),
                ({"state": "excluded"}, 1),
                ({"state": "undecided"}, 17),
            ]
        ),
    ],
)
def test_filters_narrow_what_is_shown(page, choices, count):
    page.click(page.card("French scene 4") + " .picture")
    for name, value in choices.items():
        page.pick(name, value)
    assert len(page.titles()) == count
    assert page.find("#exclude-shown").text == f"✕ Exclude shown ({count})"


def test_text_is_found_in_any_field(page):
    page.press("/")
    page.press("artist 17")
    WebDriverWait(page.browser, 5).until(lambda _: page.titles() == ["Indian scene 17"])
    page.press(" nothing like it")
    WebDriverWait(page.browser, 5).until(lambda _: page.find("#empty").is_displayed())
    page.click("#clear-filters")
    assert len(page.titles()) == 18


def test_everything_shown_is_decided_at_once_and_undone(page):
    page.pick("culture", "Japanese")
    page.click("#exclude-shown")
    assert "9 excluded" in page.progress
    page.click("#toast button")
    assert "0 excluded" in page.progress


def test_what_no_longer_passes_the_filter_stays_until_asked(page):
    page.pick("state", "todo")
    page.press(Keys.ESCAPE, "n", "x")
    assert len(page.titles()) == 3
    page.click("#refresh")
    assert len(page.titles()) == 2


def test_progress_outlives_the_window(page):
    page.click(page.card("French scene 4") + " .picture")
    page.click(page.card("French scene 5") + " .keep")
    # Chromium hands what a page keeps from process to process in its own time: leave when it is kept.
    kept = "JSON.stringify({ ...localStorage })"
    WebDriverWait(page.browser, 5).until(lambda _: "excluded" in page.ask(kept) and "kept" in page.ask(kept))
    page.browser.refresh()
    assert page.states() == {"3": "excluded", "4": "kept"}
    assert "Continuing: 2 decided" in page.toast


def exported(page, downloads):
    for old in downloads.iterdir():
        old.unlink()
    page.click("#export")
    path = downloads / "exclusions.csv"
    WebDriverWait(page.browser, 10).until(lambda _: path.is_file() and path.stat().st_size)
    return path


def test_what_is_exported_is_applied(page, root, downloads, tmp_path):
    page.click(page.card("French scene 4") + " .picture")
    page.press("n", "x", Keys.ENTER)
    page.find("#details .note").send_keys('a "lid", not\na painting')
    page.find("#details .reason").send_keys("duplicate")
    page.press(Keys.ESCAPE)
    path = exported(page, downloads)
    rows = {e.object_id: e for e in read_exclusions(path)}
    assert set(rows) >= {"4"}
    assert rows["4"].reason == "not a painting"
    copy = shutil.copytree(root, tmp_path / "met")
    assert main(["curate", f"root={copy}", f"exclusions={path}"]) == 0
    assert len(read_manifest(copy)) == 18 - len(rows)


def test_reason_and_note_travel_with_the_exclusion(page, downloads):
    page.click(page.card('Snuffbox, "round"'.replace('"', '\\"')) + " .info")
    page.find("#details .note").send_keys('a "lid",\nno painting')
    page.find("#details .reason").send_keys("container")
    page.click("#details .exclude")
    assert page.find("#details .badge").text == "✕ Excluded: container"
    page.click("#details .close")
    (row,) = read_exclusions(exported(page, downloads))
    assert (row.object_id, row.source, row.reason) == ("9", "met", "container")
    assert row.note == 'a "lid",\nno painting'


def test_an_earlier_list_is_imported_and_strangers_are_named(page, tmp_path):
    path = tmp_path / "earlier.csv"
    path.write_text('\ufeffobject_id,source,reason,note\r\n3,met,book,"x, ""y"""\r\n5,,,\r\n77,met,book,\r\n', "utf-8")
    page.find("#file").send_keys(str(path))
    WebDriverWait(page.browser, 5).until(lambda _: "2 excluded; 1 not in this collection: 77" in page.toast)
    assert page.states() == {"2": "excluded", "4": "excluded"}
    page.click(page.card("French scene 3") + " .info")
    assert page.find("#details .note").get_attribute("value") == 'x, "y"'
    page.press("u")
    assert page.states() == {}


def test_a_foreign_file_is_refused_in_words(page, tmp_path):
    (tmp_path / "other.csv").write_text("id,name\n1,x\n")
    page.find("#file").send_keys(str(tmp_path / "other.csv"))
    WebDriverWait(page.browser, 5).until(lambda _: "no column object_id" in page.toast)


def test_details_show_the_image_next_to_the_page(page, root):
    page.click(page.card("French scene 2") + " .info")
    image = page.find("#details .stage img")
    WebDriverWait(page.browser, 5).until(lambda _: image.get_property("naturalWidth") == 160)
    assert "Bronze" in page.find("#details dl").text
    assert "sculpture" in page.find("#details ul.flags").text


def test_a_page_moved_away_shows_its_thumbnail(chromium, root, tmp_path):
    shutil.copy(root / "review.html", tmp_path)
    page = Page(chromium, tmp_path / "review.html")
    page.click("article .info")
    image = page.find("#details .stage img")
    WebDriverWait(page.browser, 5).until(lambda _: image.get_attribute("src").startswith("data:image/webp"))
    chromium.get_log("browser")


def test_table_1_follows_the_decisions(page):
    page.pick("culture", "Indian")
    page.click("#exclude-shown")
    page.click("#counts")
    rows = [row.text for row in page.browser.find_elements("css selector", "#table tbody tr")]
    assert "Indian 3 0 559 372 \N{MINUS SIGN}556 \N{MINUS SIGN}372" in rows
    assert rows[-1] == "All 18 15 7318 6663 \N{MINUS SIGN}7300 \N{MINUS SIGN}6648"


def test_thousands_of_cards_are_only_made_near_the_window(chromium, tmp_path):
    rows = [{"culture": "Dutch" if n % 2 else "French", "title": f"T{n}"} for n in range(5000)]
    manifest = Manifest(tmp_path, table(*rows).assign(sha256=""))
    everything = ReviewData(
        manifest,
        describe_paintings(manifest, None),
        [stats()] * 5000,
        [[]] * 5000,
        [],
        [f"{n}" for n in range(5000)],
        {},
    )
    page = Page(chromium, write_page(everything, tmp_path / "review.html", "met", 100))
    wait = WebDriverWait(page.browser, 10)
    wait.until(lambda _: page.titles())
    assert len(page.titles()) < 120
    page.press("n")
    page.click("article .picture")
    page.press(Keys.END)
    wait.until(lambda _: "T4999" in page.titles())
    assert len(page.titles()) < 120
    page.press(Keys.HOME)
    wait.until(lambda _: "T0" in page.titles())


def test_a_hostile_record_is_only_text(chromium, tmp_path):
    title = "<img src=x onerror=\"document.title='broken in'\"></script><script>document.title='broken in'</script>"
    rows = [{"title": title, "artist": title, "object_url": "javascript:document.title='broken in'", "medium": title}]
    collection(tmp_path / "met", *rows)
    assert main(["curate", f"root={tmp_path / 'met'}"]) == 0
    page = Page(chromium, tmp_path / "met" / "review.html")
    assert page.titles() == [title]
    page.click("article .info")
    assert page.find("#details h2").text == title
    assert page.browser.find_elements("css selector", "#details dl a") == []
    assert chromium.title == "Review \N{MIDDLE DOT} met"


def test_an_applied_list_is_where_the_page_starts(chromium, root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "met")
    (tmp_path / "e.csv").write_text("object_id,source,reason,note\n3,met,book,old\n")
    assert main(["curate", f"root={copy}", f"exclusions={tmp_path / 'e.csv'}"]) == 0
    page = Page(chromium, copy / "review.html")
    assert page.states() == {"2": "excluded"}


@pytest.mark.parametrize("width", [360, *(pytest.param(width, marks=pytest.mark.slow) for width in (390, 768))])
def test_nothing_hangs_over_a_narrow_screen(page, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.open()
    wide = page.ask("document.documentElement.scrollWidth")
    page.click("article .info")
    box = page.find("#details .buttons").rect
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_the_page_asks_nothing_of_any_network(page):
    page.browser.get_log("performance")
    page.open()
    page.click("article .info")
    messages = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert page.path.as_uri() in asked
    assert all(address.startswith(("file:", "data:")) for address in asked)


@pytest.mark.parametrize(
    ("scheme", "connect"),
    [
        pytest.param(scheme, connect, marks=[] if (scheme == "dark") is bool(connect) else pytest.mark.slow)
        for scheme in ("light", "dark")
        for connect in ("", "article .info", "#counts", "#help")
    ],
)
def test_axe_finds_nothing_that_keeps_anybody_out(page, scheme, connect):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed (the `dev` extra has it)")
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page.press("x")
    if connect:
        page.click(connect)
    page.browser.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8"))
    found = page.browser.execute_async_script(
        "axe.run().then(({ violations }) => arguments[0](violations.map(({ id, nodes }) => [id, nodes[0].html])))"
    )
    assert found == []


def test_new_labels_are_suggested_typed_exported_and_applied(chromium, root, downloads, tmp_path):
    copy = shutil.copytree(root, tmp_path / "met")
    (tmp_path / "label_errors.csv").write_text(
        "object_id,source,label,suggested,p_label,p_suggested,likely_error\n"
        "5,met,French,Japanese,0.01,0.95,True\n16,met,Indian,French,0.1,0.6,True\n6,met,French,Indian,0.7,0.2,False\n"
    )
    (tmp_path / "outliers.csv").write_text(
        "object_id,source,label,distance,nearest_object_id,nearest_label\n6,met,French,0.4,5,French\n"
    )
    (tmp_path / "conflicts.csv").write_text(
        "object_id,source,label,other_object_id,other_source,other_label,distance\n6,met,French,17,met,Indian,2\n"
    )
    assert main(["curate", f"root={copy}", f"audit={tmp_path}"]) == 0
    page = Page(chromium, copy / "review.html")
    page.pick("order", "outliers")
    page.pick("flag", "outlier")
    assert page.titles() == ["French scene 6"]
    page.pick("flag", "two labels")
    page.pick("order", "conflicts")
    assert page.titles() == ["French scene 6", "Indian scene 17"]
    assert page.find(page.card("French scene 6") + " .relabel").text == "→ Indian"
    page.pick("flag", "label error")
    page.pick("order", "suspicious")
    assert page.titles() == ["French scene 5", "Indian scene 16"]
    page.click(page.card("French scene 5") + " .relabel")
    assert page.find(page.card("French scene 5") + " .keep").text == "✓ Japanese"
    page.click(page.card("Indian scene 16") + " .info")
    page.find("#details .label").send_keys("Persian", Keys.TAB)
    assert page.find("#details .badge").text == "✓ Relabelled: Persian"
    page.press(Keys.ESCAPE)
    exclusions = exported(page, downloads)
    assert page.find("#export-labels").text == "Export labels (2)"
    page.click("#export-labels")
    relabels = downloads / "relabels.csv"
    WebDriverWait(chromium, 10).until(lambda _: relabels.is_file() and relabels.stat().st_size)
    assert main(["curate", f"root={copy}", f"exclusions={exclusions}", f"relabels={relabels}"]) == 0
    labels = read_manifest(copy).table.set_index("object_id")["culture"]
    assert labels[["5", "16", "6"]].tolist() == ["Japanese", "Persian", "French"]
    page = Page(chromium, copy / "review.html")
    assert page.find(page.card("French scene 5") + " .keep").text == "✓ Japanese"
