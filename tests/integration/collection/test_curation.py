import csv
import json
import re

import pandas as pd
import pytest
from PIL import ImageOps

from artculture.cli import main
from artculture.collection.curation.config import OWN_TABLES
from artculture.data.manifest import read_manifest
from tests.unit.collection.curation.samples import collection, encoded, painting, text_page


@pytest.fixture
def root(tmp_path):
    images = {3: encoded(text_page()), 4: encoded(ImageOps.grayscale(painting(1))), 6: b"broken"}
    rows = [
        {"title": "Bridge"},
        {"title": "Bust of a man", "medium": "Marble"},
        {"culture": "Indian"},
        {"title": "The bridge, photographed"},
        {"accession_number": "29.160.34a", "culture": "Indian"},
        {"accession_number": "29.160.34b", "culture": "Indian"},
    ]
    collection(tmp_path / "met", *rows, images=images)
    return tmp_path / "met"


def curate(root, *overrides):
    return main(["curate", f"root={root}", "small_culture=2", *overrides])


def exclusions(root, *ids, name="exclusions.csv"):
    path = root.parent / name
    path.write_text("object_id,source,reason,note\n" + "".join(f"{i},met,book,\n" for i in ids))
    return f"exclusions={path}"


def contents(root):
    return {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}


def test_flags_are_found_and_nothing_is_taken_away(root, capsys):
    before = (root / "manifest.csv").read_bytes()
    assert curate(root) == 0
    flags = pd.read_csv(root / "flags.csv", dtype=str)
    assert sorted(zip(flags["object_id"], flags["flag"], strict=True)) == [
        ("1", "near-duplicate"),
        ("2", "sculpture"),
        ("3", "text page"),
        ("4", "greyscale"),
        ("4", "near-duplicate"),
        ("6", "unreadable"),
    ]
    assert (root / "manifest.csv").read_bytes() == before
    clean_text = capsys.readouterr().out
    assert "5 paintings are flagged, 0 excluded" in clean_text
    assert "review.html" in clean_text
    assert "Fewer than 2 paintings: American (0)" in clean_text


def test_applying_writes_the_manifest_with_groups(root, capsys):
    fetched = (root / "manifest.csv").read_bytes()
    assert curate(root, exclusions(root, 2, 6, "no such")) == 0
    table = read_manifest(root).table
    assert table["object_id"].tolist() == ["1", "3", "4", "5"]
    assert table["group"].tolist() == ["met:1", "met:3", "met:1", "met:5"]
    assert all(path.is_file() for path in read_manifest(root).paths())
    assert (root / "manifest.fetched.csv").read_bytes() == fetched
    assert "match no painting of this manifest (1): no such" in capsys.readouterr().out


def test_applying_twice_is_applying_once(root):
    curate(root, exclusions(root, 2, 6))
    once = contents(root)
    curate(root, exclusions(root, 2, 6))
    assert contents(root) == once


def test_another_list_starts_from_what_was_fetched(root):
    curate(root, exclusions(root, 2, 6))
    curate(root, exclusions(root, 1))
    assert read_manifest(root).table["object_id"].tolist() == ["2", "3", "4", "5", "6"]
    curate(root, "exclusions=[]")
    assert len(read_manifest(root)) == 6


def test_several_lists_add_up(root):
    first = exclusions(root, 2, name="a.csv").split("=")[1]
    second = exclusions(root, 6, 2, name="b.csv").split("=")[1]
    assert curate(root, f"exclusions=[{first},{second}]") == 0
    assert read_manifest(root).table["object_id"].tolist() == ["1", "3", "4", "5"]


def test_a_second_curation_after_applying_starts_from_the_decisions_made(root):
    curate(root, exclusions(root, 2, 6))
    curated = (root / "manifest.csv").read_bytes()
    assert curate(root) == 0
    assert (root / "manifest.csv").read_bytes() == curated
    page = (root / "review.html").read_text()
    assert (
        '"start":[[1,{"state":"excluded","reason":"book","note":""}],[5,{"state":"excluded","reason":"book","note":""}]]'
        in page
    )
    assert "| French | 3 | 2 |" in (root / "table1.md").read_text()


def test_relabels_are_applied_and_stay_until_another_list(root, caplog, capsys):
    (root.parent / "r.csv").write_text("object_id,source,new_label\n3,met,Frensh\n4,, Indian \n9,met,Dutch\n")
    assert curate(root, f"relabels={root.parent / 'r.csv'}") == 0
    assert "2 relabelled" in capsys.readouterr().out
    assert "did you mean `French`?" in caplog.text
    curate(root, exclusions(root, 2, 6))
    assert read_manifest(root).table["culture"].tolist() == ["French", "Frensh", "Indian", "Indian"]
    assert "label of 2 paintings is corrected" in (root / "dataset_card.md").read_text()
    once = contents(root)
    assert curate(root, f"relabels={root / 'relabels.applied.csv'}") == 0
    assert contents(root) == once
    curate(root, "relabels=[]")
    assert read_manifest(root).table["culture"].tolist() == ["French", "Indian", "French", "Indian"]


def test_another_output_leaves_the_manifest_alone(root):
    fetched = (root / "manifest.csv").read_bytes()
    assert curate(root, exclusions(root, 2), "output=strict.csv") == 0
    assert (root / "manifest.csv").read_bytes() == fetched
    assert not (root / "manifest.fetched.csv").exists()
    assert len(read_manifest(root / "strict.csv")) == 5
    written = {path.name for path in root.glob("*.csv")}
    assert written <= OWN_TABLES | {"manifest.csv", "strict.csv"}


def test_another_output_is_replaced_only_on_request(root, capsys):
    (root / "strict.csv").write_text("mine")
    assert curate(root, exclusions(root, 2), "output=strict.csv") == 2
    assert "exists: give another name" in capsys.readouterr().err
    assert (root / "strict.csv").read_text() == "mine"
    assert curate(root, exclusions(root, 2), "output=strict.csv", "overwrite=true") == 0


def test_no_table_that_fetch_or_curate_writes_can_be_the_output(request):
    source = request.config.rootpath / "src" / "artculture" / "collection"
    named = {name for file in source.rglob("*.py") for name in re.findall(r'"([\w.]+\.csv)"', file.read_text())}
    assert named - {"manifest.csv", "MetObjects.csv"} <= OWN_TABLES


def test_the_museums_records_are_used(root):
    with (root / "records.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["source", "object_id", "object_name"], ["met", "5", "Snuffbox"]])
    curate(root)
    assert "5,met,Indian,Painting 5,snuff box" in (root / "flags.csv").read_text()


def test_the_card_tells_where_it_comes_from_and_how_to_check_it(root):
    (root / "fetch.json").write_text(json.dumps({"date": "2026-11-20T10:00:00+00:00", "parameters": {"source": "met"}}))
    curate(root, exclusions(root, 2, 6))
    card = (root / "dataset_card.md").read_text()
    assert "license: cc0-1.0" in card
    assert "4 paintings in 2 cultures" in card
    assert "2026-11-20" in card
    assert "- book: 2" in card
    assert read_manifest(root).fingerprint() in card


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["exclusions=none.csv"], "no exclusion list at none.csv"),
        (["relabels=none.csv"], "no relabel list at none.csv"),
        (["relabels=manifest.csv"], "lacks the column `new_label`"),
        (["output=../other.csv"], "plain file name"),
        (["output=other.txt"], "plain file name"),
        (["output=records.csv"], "the name of another file of the collection"),
        (["output=Manifest.csv"], "the name of another file of the collection"),
        (["image_stats.text_scor=1"], "did you mean `image_stats.text_score`?"),
        (["thumbnail=9000"], "thumbnail=9000"),
        (["root=nowhere"], "no manifest at nowhere"),
    ],
)
def test_a_mistake_is_one_message(root, capsys, monkeypatch, overrides, message):
    monkeypatch.chdir(root)
    assert curate(root, *overrides) == 2
    assert message in capsys.readouterr().err


def test_the_list_of_another_collection_is_refused(root, capsys):
    before = contents(root)
    assert curate(root, exclusions(root, "x", "y")) == 2
    assert "is it the list of another collection?" in capsys.readouterr().err
    assert contents(root) == before


def test_excluding_everything_is_refused(root, capsys):
    assert curate(root, exclusions(root, *range(1, 7))) == 2
    assert "leave no painting" in capsys.readouterr().err


def test_class_folders_are_curated_too(tmp_path, caplog):
    for number, name in enumerate(("Dutch", "Dutch", "Indian", "Indian")):
        (tmp_path / "own" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name / f"{number}.jpg").write_bytes(encoded(painting(number)))
    (tmp_path / "own" / "stray.jpg").write_bytes(b"")
    assert curate(tmp_path / "own") == 0
    assert "1 in no class folder (stray.jpg)" in caplog.text
    assert (tmp_path / "own" / "review.html").is_file()
    assert not (tmp_path / "own" / "manifest.csv").exists()
    (tmp_path / "exclusions.csv").write_text("object_id,reason\nDutch/0,book\n")
    assert curate(tmp_path / "own", f"exclusions={tmp_path / 'exclusions.csv'}") == 0
    assert read_manifest(tmp_path / "own").table["object_id"].tolist() == ["Dutch/1", "Indian/2", "Indian/3"]
    assert len(read_manifest(tmp_path / "own" / "manifest.fetched.csv")) == 4
    assert curate(tmp_path / "own") == 0
    assert "not listed in manifest" in caplog.text
