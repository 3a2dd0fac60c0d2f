import base64
import hashlib
import html
import json
import re

import pytest

from artculture.collection.curation.exclusions import Exclusion
from artculture.collection.curation.flags import describe_paintings
from artculture.collection.curation.keyword_rules import Flag
from artculture.collection.curation.review.builder import ReviewData, page, page_data
from artculture.data.manifest import Manifest
from artculture.data.near_duplicates import DuplicatePair
from tests.unit.collection.curation.samples import stats, table


def built(*rows, **changes):
    manifest = Manifest("", table(*rows).assign(sha256=""))
    count = len(rows)
    parts = {
        "manifest": manifest,
        "records": describe_paintings(manifest, None),
        "image_stats": [stats()] * count,
        "flags": [[]] * count,
        "duplicates": [],
        "groups": [f"{n}" for n in range(count)],
        "applied": {},
    }
    return page_data(ReviewData(**{**parts, **changes}), 100)


def test_the_data_tells_all_about_a_painting():
    data = built(
        {"title": "A"},
        {"culture": "Dutch"},
        {"culture": "Korean"},
        flags=[[Flag("book", "why")], [], []],
        duplicates=[DuplicatePair(0, 1, 3, 0.9)],
        groups=["g", "g", "h"],
        applied={2: Exclusion("3", "met", "book", "note")},
    )
    assert data["cultures"] == ["French", "Dutch", "Korean"]
    assert data["items"][0]["flags"] == [["book", "why"]]
    assert [item["duplicates"] for item in data["items"]] == [[1], [0], []]
    assert [item["group"] for item in data["items"]] == [0, 0, -1]
    assert data["start"] == [(2, {"state": "excluded", "reason": "book", "note": "note"})]
    assert {"culture": "Dutch", "initial": 1, "paper": (429, 412)} in data["table"]


@pytest.mark.parametrize(("column", "word", "title"), [("art_style", "art style", "Art style"), ("", "class", "Class")])
def test_own_labels_are_called_as_their_column(column, word, title):
    rows = {"culture": "Cubism", "source": "folder"}, {"culture": "Baroque", "source": "folder"}
    data = built(*rows, manifest=Manifest("", table(*rows).assign(sha256=""), label=column))
    assert (data["label"], data["labelTitle"]) == (word, title)
    assert f"not of this {word}" in data["reasons"]
    text = page(data, ["", ""], "x")
    assert f"<span>{title}</span>" in text
    assert f"Paintings per {word}" in text


@pytest.mark.parametrize("title", ["</script><script>alert(1)</script>", "<!--<script>", "{{script}}", "“É” & 'x'"])
def test_a_title_can_do_no_harm(title):
    text = page(built({"title": title}), [""], title)
    blocks = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(blocks[0])["items"][0]["title"] == title
    assert text.count("</script>") == 3
    assert html.unescape(re.search("<title>Review · (.*)</title>", text)[1]) == title


def test_only_its_own_script_and_style_may_run():
    text = page(built({}), [""], "x")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    for name, opening in (("script", '<script type="module">'), ("style", "<style>")):
        content = text.split(opening)[1].split(f"</{name}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_the_page_names_no_address():
    text = page(built({}), [""], "x")
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "import " not in text.split('<script type="module">')[1]
