import pandas as pd
import pytest
from curated_samples import config, look, table

from artculture.collection.duplicates import Twins
from artculture.collection.flags import described, flags_of, read_records, write_flags
from artculture.data.manifest import Manifest
from artculture.errors import InputError

CONFIG = config()


def flagged(looks, *rows, records=None):
    manifest = Manifest("", table(*rows).assign(sha256=""))
    flags, twins = flags_of(manifest, records, looks, CONFIG.rules, CONFIG.looks)
    return [[flag.rule for flag in own] for own in flags], twins


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"chroma": 0.1}, "greyscale"), ({"text": 0.9}, "text page"), ({"width": 5000}, "aspect ratio")],
)
def test_pixels_raise_flags(change, rule):
    rules, _ = flagged([look(**change), look(phash="f" * 16)], {}, {})
    assert rules == [[rule], []]


def test_a_file_without_a_look_is_flagged():
    rules, _ = flagged(["the file is not there"], {})
    assert rules == [["unreadable"]]


def test_a_file_that_is_not_the_fetched_one_is_flagged():
    manifest = Manifest("", table({}, {}).assign(sha256=["AB", "cd"]))
    looks = [look(sha256="ab"), look(sha256="xx", phash="f" * 16)]
    flags, _ = flags_of(manifest, None, looks, CONFIG.rules, CONFIG.looks)
    assert [[f.rule for f in own] for own in flags] == [[], ["changed file"]]


def test_both_twins_are_flagged():
    rules, twins = flagged([look(), look(phash="f" * 16), look()], {}, {}, {})
    assert rules == [["near-duplicate"], [], ["near-duplicate"]]
    assert twins == [Twins(0, 2, 0, pytest.approx(1, abs=1e-5))]


def test_records_know_more_than_the_manifest():
    records = pd.DataFrame(
        [
            {"source": "met", "object_id": "2", "object_name": "Snuffbox", "medium": "Gold"},
            {"source": "met", "object_id": "9", "object_name": "Statue", "medium": "Marble"},
        ]
    )
    manifest = Manifest("", table({"medium": "Oil"}, {"medium": ""}))
    first, second = described(manifest, records)
    assert (first["medium"], first["object_name"]) == ("Oil", "")
    assert (second["medium"], second["object_name"]) == ("Gold", "Snuffbox")


def test_no_records_file_is_no_mistake_and_a_broken_one_is(tmp_path):
    assert read_records(tmp_path / "records.csv") is None
    (tmp_path / "records.csv").write_text("object_id,medium\n1,Oil\n")
    with pytest.raises(InputError, match="lacks the column source"):
        read_records(tmp_path / "records.csv")


def test_the_file_has_a_row_a_flag(tmp_path):
    manifest = Manifest(tmp_path, table({}, {}).assign(sha256=""))
    flags, _ = flags_of(manifest, None, [look(chroma=0, text=1), look(phash="f" * 16)], CONFIG.rules, CONFIG.looks)
    assert write_flags(manifest, flags, tmp_path / "flags.csv") == 1
    written = pd.read_csv(tmp_path / "flags.csv", dtype=str)
    assert written[["object_id", "flag"]].values.tolist() == [["1", "greyscale"], ["1", "text page"]]
