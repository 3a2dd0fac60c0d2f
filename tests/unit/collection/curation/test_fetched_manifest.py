import pytest

from artculture.collection.curation.fetched_manifest import (
    FETCHED,
    keep_fetched,
    read_fetched_manifest,
    record_curation,
)
from artculture.utils.errors import InputError
from tests.unit.collection.curation.samples import collection


@pytest.fixture
def root(tmp_path):
    collection(tmp_path / "met", {}, {}, {})
    return tmp_path / "met"


def curated(root, rows):
    """Curate by hand: keep the first rows."""
    base = read_fetched_manifest(root)
    lines = base.path.read_text().splitlines(keepends=True)
    content = "".join(lines[: rows + 1]).encode()
    keep_fetched(base, root)
    record_curation(root, base, content, {})
    (root / "manifest.csv").write_bytes(content)


def test_before_curation_the_manifest_itself(root):
    assert read_fetched_manifest(root).path == root / "manifest.csv"


def test_after_it_the_one_that_was_kept(root):
    before = (root / "manifest.csv").read_bytes()
    curated(root, 2)
    assert read_fetched_manifest(root).path == root / FETCHED
    assert (root / FETCHED).read_bytes() == before
    curated(root, 1)
    assert len(read_fetched_manifest(root).manifest) == 3


def test_a_stop_before_the_last_step_changes_nothing(root):
    before = (root / "manifest.csv").read_bytes()
    curated(root, 2)
    (root / "manifest.csv").write_bytes(before)
    assert read_fetched_manifest(root).path == root / "manifest.csv"


def test_a_lost_manifest_is_found_in_the_kept_one(root):
    curated(root, 2)
    (root / "manifest.csv").unlink()
    assert len(read_fetched_manifest(root).manifest) == 3


def test_a_new_fetch_is_the_new_start(root):
    curated(root, 2)
    fetched = (root / FETCHED).read_text()
    last = fetched.splitlines()[-1]
    (root / "manifest.csv").write_text(fetched + last.replace("3,met,images/3.jpg", "4,met,images/4.jpg") + "\n")
    base = read_fetched_manifest(root)
    assert base.path == root / "manifest.csv"
    assert len(base.manifest) == 4


def test_a_curated_manifest_changed_by_hand_is_not_guessed_about(root):
    curated(root, 2)
    (root / "manifest.csv").write_text((root / "manifest.csv").read_text().replace("Painting 1", "Title"))
    with pytest.raises(InputError, match=r"lacks 1 of the paintings in manifest\.fetched\.csv"):
        read_fetched_manifest(root)
