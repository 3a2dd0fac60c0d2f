import hashlib

import numpy as np
import pytest
from PIL import Image

from artculture.data import sample
from artculture.data.manifest import CULTURES
from artculture.data.painter import hand, paint
from artculture.data.sample import make_sample, sample_root
from artculture.data.sources import load_manifest


@pytest.fixture
def small(tmp_path):
    root = tmp_path / "cache" / "sample"
    return root, lambda **more: make_sample(root, per_culture=3, seed=1, size=24, **more)


def test_a_sample_is_a_manifest_with_pictures(small):
    root, make = small
    manifest = make()
    table = manifest.table
    assert manifest.root == root
    assert table["culture"].value_counts().to_dict() == dict.fromkeys(CULTURES, 3)
    assert set(table["source"]) == {"synthetic"}
    assert table["title"].str.contains("Synthetic").all()
    for row, path in enumerate(manifest.paths()):
        content = path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == table["sha256"][row]
        with Image.open(path) as image:
            assert image.size == (table["width"][row], table["height"][row])


def test_the_files_hold_what_was_painted(small):
    _, make = small
    manifest = make()
    with Image.open(manifest.root / "images" / "indian_002.png") as image:
        np.testing.assert_array_equal(np.asarray(image), paint("Indian", 1, 2, 24))


def test_a_series_is_a_group(small):
    _, make = small
    table = make().table
    groups = table[table["culture"] == "Dutch"].groupby("group").size()
    hands = [hand("Dutch", 1, index) for index in range(3)]
    assert sorted(groups) == sorted(hands.count(first) for first in set(hands))


def test_it_is_drawn_once(small, monkeypatch):
    _, make = small
    first = make()
    monkeypatch.setattr(sample, "paint", None)
    assert make().fingerprint() == first.fingerprint()


def test_the_same_everywhere(small, tmp_path):
    _, make = small
    again = make_sample(tmp_path / "elsewhere", per_culture=3, seed=1, size=24)
    assert make().fingerprint() == again.fingerprint()


def test_an_interrupted_drawing_leaves_nothing(small, monkeypatch):
    root, make = small

    def stop(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(on_progress=stop)
    assert not root.exists()
    assert [path.name for path in root.parent.iterdir()] == [".sample.lock"]
    told = []
    assert len(make(on_progress=lambda done, total: told.append((done, total)))) == 33
    assert told[-1] == (33, 33)


def test_a_half_made_folder_is_replaced(small):
    root, make = small
    (root / "images").mkdir(parents=True)
    (root / "images" / "stale.png").touch()
    assert len(make()) == 33
    assert not (root / "images" / "stale.png").exists()


def test_every_parameter_has_its_own_folder(tmp_path):
    usual = {"per_culture": 3, "seed": 1, "size": 24}
    roots = {sample_root(tmp_path, **{**usual, **change}) for change in ({}, {"per_culture": 4}, {"seed": 2})}
    roots |= {sample_root(tmp_path, **{**usual, "size": 25})}
    assert len(roots) == 4


def test_the_data_source_draws_it_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("artculture.data.sources.SAMPLE_SIZE", 24)
    manifest = load_manifest("sample", None, per_culture=3, seed=0, cache=tmp_path / "cache")
    assert manifest.root.parent == tmp_path / "cache"
    assert len(manifest) == 33
