import pandas as pd
import pytest

from artculture.collection.curation.flags import describe_paintings, flag_paintings, read_records, write_flags
from artculture.data.manifest import Manifest
from artculture.data.near_duplicates import DuplicatePair
from artculture.utils.errors import InputError
from tests.unit.collection.curation.samples import config, stats, table

CONFIG = config()


def flagged(image_stats, *rows, records=None):
    manifest = Manifest("", table(*rows).assign(sha256=""))
    flags, duplicates = flag_paintings(manifest, records, image_stats, CONFIG.rules, CONFIG.image_stats)
    return [[flag.rule for flag in own] for own in flags], duplicates


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"chroma": 0.1}, "greyscale"), ({"text": 0.9}, "text page"), ({"width": 5000}, "aspect ratio")],
)
def test_pixels_raise_flags(change, rule):
    rules, _ = flagged([stats(**change), stats(phash="f" * 16)], {}, {})
    assert rules == [[rule], []]


def test_a_file_without_a_look_is_flagged():
    rules, _ = flagged(["the file is not there"], {})
    assert rules == [["unreadable"]]


def test_a_file_that_is_not_the_fetched_one_is_flagged():
    manifest = Manifest("", table({}, {}).assign(sha256=["AB", "cd"]))
    image_stats = [stats(sha256="ab"), stats(sha256="xx", phash="f" * 16)]
    flags, _ = flag_paintings(manifest, None, image_stats, CONFIG.rules, CONFIG.image_stats)
    assert [[f.rule for f in own] for own in flags] == [[], ["changed file"]]


def test_both_twins_are_flagged():
    rules, duplicates = flagged([stats(), stats(phash="f" * 16), stats()], {}, {}, {})
    assert rules == [["near-duplicate"], [], ["near-duplicate"]]
    assert duplicates == [DuplicatePair(0, 2, 0, pytest.approx(1, abs=1e-5))]


def test_records_know_more_than_the_manifest():
    records = pd.DataFrame(
        [
            {"source": "met", "object_id": "2", "object_name": "Snuffbox", "medium": "Gold"},
            {"source": "met", "object_id": "9", "object_name": "Statue", "medium": "Marble"},
        ]
    )
    manifest = Manifest("", table({"medium": "Oil"}, {"medium": ""}))
    first, second = describe_paintings(manifest, records)
    assert (first["medium"], first["object_name"]) == ("Oil", "")
    assert (second["medium"], second["object_name"]) == ("Gold", "Snuffbox")


def test_no_records_file_is_no_mistake_and_a_broken_one_is(tmp_path):
    assert read_records(tmp_path / "records.csv") is None
    (tmp_path / "records.csv").write_text("object_id,medium\n1,Oil\n")
    with pytest.raises(InputError, match="lacks the column source"):
        read_records(tmp_path / "records.csv")


def test_the_file_has_a_row_a_flag(tmp_path):
    manifest = Manifest(tmp_path, table({}, {}).assign(sha256=""))
    flags, _ = flag_paintings(
        manifest, None, [stats(chroma=0, text=1), stats(phash="f" * 16)], CONFIG.rules, CONFIG.image_stats
    )
    assert write_flags(manifest, flags, tmp_path / "flags.csv") == 1
    written = pd.read_csv(tmp_path / "flags.csv", dtype=str)
    assert written[["object_id", "flag"]].values.tolist() == [["1", "greyscale"], ["1", "text page"]]
