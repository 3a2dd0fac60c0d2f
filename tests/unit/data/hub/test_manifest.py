import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artculture.data.cache.pixel_cache import open_cache
from artculture.data.data_choice import DataChoice
from artculture.data.decoding import read_pixels
from artculture.data.hub import dataset, manifest, parquet
from artculture.data.hub.dataset import HubDataset
from artculture.data.hub.manifest import read_hub
from artculture.data.paintings import load_paintings
from artculture.data.picture_table import ColumnNames
from artculture.data.selection import select
from artculture.utils.errors import InputError
from tests.fixtures.hub import CLASSES, png, rows, wikiart, write

STYLE = ColumnNames("style")


@pytest.fixture
def hub(tmp_path):
    """`DataChoice` of a dataset below the test's folder."""

    def choose(path="wikiart", **values):
        usual = {"label": "style", "cache": str(tmp_path / "cache"), "path": str(tmp_path / path)}
        return DataChoice("hub", **{**usual, **values})

    return choose


def test_features_and_splits_of_a_dataset_make_the_manifest(tmp_path, hub, caplog):
    wikiart(tmp_path / "wikiart")
    selection = select(hub())
    table = selection.whole.table
    assert selection.classes == tuple(CLASSES)
    numbers = [*range(36), *range(36, 48)]  # the files in the order of the splits
    assert list(table["culture"]) == [CLASSES[n % 3] for n in numbers]
    assert set(table["artist"]) == {f"Artist {n}" for n in range(9)}
    is_test = table["image"].str.startswith("data/test-").to_numpy()
    assert (selection.split == "test").tolist() == is_test.tolist()
    assert (selection.split == "val").any()
    assert "the dataset has the splits: train 36, val 0, test 12" in caplog.text


def test_pixels_are_those_of_the_rows_pictures(tmp_path, hub):
    wikiart(tmp_path / "wikiart", train=12, test=0)
    whole = select(hub()).whole
    cache = open_cache(whole, tmp_path / "cache", 32, "bilinear")
    for row in range(12):
        assert np.array_equal(cache.image(row), read_pixels(png(row), 32, "bilinear"))
    shown = whole.part(whole.table.iloc[[7, 3]]).picture(0)
    assert np.array_equal(read_pixels(shown, 32, "bilinear"), cache.image(7))


def test_an_interrupted_cache_continues_at_its_row(tmp_path, hub, monkeypatch):
    wikiart(tmp_path / "wikiart", train=24, test=0)
    whole = select(hub()).whole
    expected = open_cache(whole, tmp_path / "other", 32, "bilinear").pixels.copy()
    read, real = [], parquet.pictures

    def stops(path, column, wanted):
        for row, content in zip(wanted, real(path, column, wanted), strict=True):
            if len(read) == 17:
                raise MemoryError
            read.append((path.name, row))
            yield content

    monkeypatch.setattr(parquet, "pictures", stops)
    with pytest.raises(MemoryError):
        open_cache(whole, tmp_path / "cache", 32, "bilinear")
    asked = []
    monkeypatch.setattr(
        parquet, "pictures", lambda path, *rest: (asked.append((path.name, rest[1])), real(path, *rest))[1]
    )
    assert np.array_equal(open_cache(whole, tmp_path / "cache", 32, "bilinear").pixels, expected)
    # Pictures that were decoded before are not read again, and none is left out.
    (first, last) = asked[0][1][0], asked[-1][1][-1]
    assert (asked[0][0], last) == ("train-00000-of-00002.parquet", 11)
    assert 0 < first < 12


def test_pictures_that_can_t_be_read_are_quarantined(tmp_path, hub):
    content = rows(30)
    content[4]["image"] = None
    content[9]["image"]["bytes"] = content[9]["image"]["bytes"][:60]
    write(tmp_path / "wikiart" / "train.parquet", content)
    with pytest.raises(InputError, match=r"train\.parquet/4 \(zero bytes\)"):
        load_paintings(hub(), 32, "bilinear")
    paintings = load_paintings(hub(on_bad_image="skip"), 32, "bilinear")
    assert list(paintings.quarantine["image"]) == ["train.parquet/4", "train.parquet/9"]
    assert len(paintings.selection.manifest) == 28


def test_several_labels_of_a_dataset(tmp_path, hub, caplog):
    content = rows(30)
    content[0]["style"] = content[1]["style"] = -1
    content[0]["artist"] = None
    write(tmp_path / "wikiart" / "train.parquet", content)
    chosen = hub(label=None, labels=["style", "artist"], fractions=[0.4, 0.3, 0.3])
    for _ in range(2):  # read from the dataset, and from the cache
        selection = select(chosen)
        assert [column.name for column in selection.columns] == ["style", "artist"]
        assert (len(selection.labels), (selection.labels < 0).sum()) == (29, 1)
        assert set(selection.further[0].classes) == {f"Artist {n}" for n in range(9)}
    assert "1 without a label (train 1)" in caplog.text
    with pytest.raises(InputError, match=r"data.labels=genr: .* no such column"):
        select(hub(label=None, labels=["style", "genr"]))


def test_rows_without_a_label_are_left_out_and_counted(tmp_path, hub, caplog):
    content = rows(30)
    content[0]["style"], content[7]["style"] = -1, None
    write(tmp_path / "wikiart" / "train.parquet", content)
    whole = select(hub()).whole
    assert len(whole) == 28
    assert whole.table["image"].iat[0] == "train.parquet/1"
    assert "2 without a label (train 2)" in caplog.text


def test_a_stored_manifest_is_read_without_the_library_and_a_change_is_noticed(tmp_path, monkeypatch):
    wikiart(tmp_path / "wikiart")
    source = HubDataset(str(tmp_path / "wikiart"))
    first = read_hub(source, STYLE, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "import_extra", lambda name: pytest.fail(f"imports {name}"))
        again = read_hub(source, STYLE, tmp_path / "cache")
    assert again.table.equals(first.table)
    assert again.version == first.version
    write(tmp_path / "wikiart" / "data" / "test-00000-of-00001.parquet", rows(9, 60))
    assert len(read_hub(source, STYLE, tmp_path / "cache")) == 36 + 9


def test_a_damaged_stored_manifest_is_made_again(tmp_path):
    wikiart(tmp_path / "wikiart")
    source = HubDataset(str(tmp_path / "wikiart"))
    first = read_hub(source, STYLE, tmp_path / "cache")
    file = first.folder / manifest.MANIFEST
    file.write_text(file.read_text().replace("Baroque", "Realism"))
    assert read_hub(source, STYLE, tmp_path / "cache").table.equals(first.table)


def test_columns_are_found_by_their_types(tmp_path):
    write(tmp_path / "typed.parquet", rows(6))
    assert set(read_hub(HubDataset(str(tmp_path / "typed.parquet")), None, tmp_path / "cache").table["culture"]) == {
        *CLASSES
    }
    write(tmp_path / "bare.parquet", rows(6), typed=False)
    bare = read_hub(HubDataset(str(tmp_path / "bare.parquet")), STYLE, tmp_path / "cache")
    assert set(bare.table["culture"]) == {"0", "1", "2"}
    assert next(bare.pictures(5)) == png(5)
    bytes_alone = pa.table({"photo": [png(0), png(1)], "label": ["a", "b"], "number": ["x", "y"]})
    pq.write_table(bytes_alone, tmp_path / "bytes.parquet")
    plain = read_hub(HubDataset(str(tmp_path / "bytes.parquet")), ColumnNames(id="number"), tmp_path / "cache")
    assert list(plain.table["object_id"]) == ["x", "y"]
    assert list(plain.pictures()) == [png(0), png(1)]


def outside(root):
    write(root.parent / "elsewhere.parquet", rows(6))
    write(root / "train.parquet", rows(6))
    (root / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: ../elsewhere.parquet\n---\n")


def configs(root):
    for name in ("small", "large"):
        write(root / name / "train.parquet", rows(6))
    entries = [f"- config_name: {name}\n  data_files: {name}/train.parquet" for name in ("small", "large")]
    (root / "README.md").write_text("---\nconfigs:\n" + "\n".join(entries) + "\n---\n")


def tables(root):
    root.mkdir()
    (root / "train.csv").write_text("style,text\na,b\n")


def damaged(root):
    write(root / "train.parquet", rows(6)).write_bytes(b"PAR1" + bytes(100) + b"PAR1")


def other_class(root):
    write(root / "train.parquet", [{**row, "style": 5} for row in rows(6)])


@pytest.mark.parametrize(
    ("build", "values", "says"),
    [
        (lambda _: None, {}, "no such folder or file"),
        (wikiart, {"revision": "main"}, "has no revisions; leave it out"),
        (wikiart, {"label": "stile"}, "data.label=stile.* did you mean `style`"),
        (wikiart, {"image": "artist"}, "data.image=artist"),
        (wikiart, {"config": "large"}, "data.config=large"),
        (configs, {}, "data.config=None.*small"),
        (tables, {}, "holds csv files, and only parquet is read"),
        (damaged, {}, r"train\.parquet is not a readable parquet file"),
        (outside, {}, "lies outside the dataset"),
        (other_class, {}, "a value of `style` is none of its 3 classes"),
        (lambda root: root.mkdir(), {}, "has no data files"),
    ],
)
def test_what_can_t_be_read_says_why(tmp_path, hub, build, values, says):
    build(tmp_path / "wikiart")
    with pytest.raises(InputError) as error:
        select(hub(**values))
    assert re.search(says, str(error.value)), str(error.value)


def test_a_script_of_the_dataset_is_never_run(tmp_path, hub):
    wikiart(tmp_path / "wikiart")
    (tmp_path / "wikiart" / "wikiart.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InputError, match="which is never run"):
        select(hub())


def test_without_the_extra_it_says_how_to_install_it(tmp_path, hub, monkeypatch):
    wikiart(tmp_path / "wikiart")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'artculture\[hub\]'"):
        select(hub())
