import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artculture.data.data_choice import DataChoice
from artculture.data.embeddings import EmbeddingChoice
from artculture.data.embeddings import manifest as joined
from artculture.data.embeddings.manifest import read_embeddings
from artculture.data.paintings import load_paintings
from artculture.data.picture_table import ColumnNames
from artculture.utils.errors import InputError
from tests.fixtures.embeddings import CULTURES, DIM, MODEL, vector, write_embeddings, write_met_objects


@pytest.fixture
def read(tmp_path):
    def call(model=None, names=None, table="MetObjects.csv"):
        return read_embeddings(
            EmbeddingChoice(str(tmp_path / "met"), model), str(tmp_path / table), names, tmp_path / "cache"
        )

    return call


def test_objects_are_joined_by_id_in_the_order_of_the_table(tmp_path, read):
    write_met_objects(tmp_path / "MetObjects.csv", range(40))
    write_embeddings(tmp_path / "met" / "b.parquet", range(20, 45))
    write_embeddings(tmp_path / "met" / "a.parquet", range(19, 2, -1))
    found = read()
    assert found.table["object_id"].tolist() == [str(n) for n in range(3, 40)]
    assert found.table["culture"].tolist() == [CULTURES[n % 3] for n in range(3, 40)]
    assert found.table["artist"].iat[0] == "Artist 3"
    assert np.array_equal(found.vectors().values, np.stack([vector(n) for n in range(3, 40)]))
    assert found.vectors().facts == {"features": DIM, "model": MODEL}


def test_what_is_left_out_is_counted_by_its_reason(tmp_path, read, caplog):
    write_met_objects(tmp_path / "MetObjects.csv", [*range(10), 3])
    numbers = [0, 1, 1, 2, 3, 4, 5, 99]
    vectors = [vector(n) for n in numbers]
    vectors[3] = np.full(DIM, np.nan)
    vectors[4] = vector(3)[:5]
    vectors[5] = None
    vectors[6] = np.full(DIM, np.inf)
    write_embeddings(tmp_path / "met" / "a.parquet", numbers, vectors)
    found = read()
    assert found.table["object_id"].tolist() == ["0", "1"]
    counts = json.loads((found.folder / "embeddings.json").read_text())["counts"]
    assert counts == {
        "in the files": 8,
        "of another length": 2,
        "without a finite value": 2,
        "of an object listed before": 1,
        "of no object in the table": 1,
        "paintings without an embedding": 8,
    }
    assert "2 paintings with an embedding, 8 without one" in caplog.text
    assert "lists 1 object(s) again" in caplog.text


def test_the_join_is_made_once_and_again_where_a_file_changes(tmp_path, read, monkeypatch):
    write_met_objects(tmp_path / "MetObjects.csv", range(12))
    write_embeddings(tmp_path / "met" / "a.parquet", range(12))
    first = read()
    with monkeypatch.context() as patch:
        patch.setattr(joined, "find_embeddings", lambda *_: pytest.fail("reads the files again"))
        assert read().table.equals(first.table)
    (first.folder / "vectors.npy").write_bytes((first.folder / "vectors.npy").read_bytes()[:-4])
    assert np.array_equal(read().vectors().values[5], vector(5))
    write_embeddings(tmp_path / "met" / "a.parquet", range(6))
    assert len(read()) == 6


def test_equal_vectors_are_one_group_and_artists_may_be_kept_in_one_split(tmp_path):
    write_met_objects(tmp_path / "MetObjects.csv", range(60))
    write_embeddings(tmp_path / "met.parquet", range(60), [vector(0) if n == 30 else vector(n) for n in range(60)])
    usual = {
        "root": str(tmp_path / "MetObjects.csv"),
        "path": str(tmp_path / "met.parquet"),
        "cache": str(tmp_path / "c"),
    }
    selection = load_paintings(DataChoice("embeddings", **usual), 0, "bilinear").selection
    table = selection.manifest.table.set_index("object_id")
    assert table["group"]["0"] == table["group"]["30"]
    disjoint = load_paintings(DataChoice("embeddings", **usual, disjoint="artist"), 0, "bilinear").selection
    splits = pd.Series(disjoint.split).groupby(disjoint.manifest.table["artist"]).nunique()
    assert (splits == 1).all()


def two_models(folder):
    write_embeddings(folder / "a.parquet", range(6))
    write_embeddings(folder / "b.parquet", range(6), model="dinov2")


def no_ids(folder):
    pq.write_table(pa.table({"embedding": [[1.0]]}), folder / "a.parquet")


def texts(folder):
    pq.write_table(pa.table({"objectID": [1], "embedding": ["a"]}), folder / "a.parquet")


@pytest.mark.parametrize(
    ("build", "model", "names", "says"),
    [
        (lambda _: None, None, None, "no parquet file there"),
        (two_models, None, None, r"several models \(dinov2, siglip2-so400m\): choose one with data.model=…"),
        (two_models, "dinov3", None, "did you mean `dinov2`"),
        (no_ids, None, None, "lacks the column `objectID`"),
        (texts, None, None, "not lists of numbers"),
        (lambda folder: write_embeddings(folder / "a.parquet", range(90, 95)), None, None, "no object of"),
        (
            lambda folder: write_embeddings(folder / "a.parquet", range(5)),
            None,
            ColumnNames("Period"),
            "data.label=Period",
        ),
        (lambda folder: (folder / "a.parquet").write_bytes(b"PAR1"), None, None, "not a readable parquet file"),
    ],
)
def test_what_can_t_be_joined_says_why(tmp_path, read, build, model, names, says):
    write_met_objects(tmp_path / "MetObjects.csv", range(9))
    (tmp_path / "met").mkdir()
    build(tmp_path / "met")
    with pytest.raises(InputError) as error:
        read(model, names)
    assert re.search(says, str(error.value)), str(error.value)


def test_objects_of_several_museums_are_refused(tmp_path, read):
    (tmp_path / "met").mkdir()
    write_embeddings(tmp_path / "met" / "a.parquet", range(5))
    rows = ["object_id,source,culture", *(f"{n},{'met' if n < 3 else 'cleveland'},Dutch" for n in range(5))]
    (tmp_path / "MetObjects.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match=r"objects of several museums \(cleveland, met\)"):
        read(None, None)


def test_one_of_several_models_is_read(tmp_path, read):
    write_met_objects(tmp_path / "MetObjects.csv", range(9))
    two_models(tmp_path / "met")
    assert read("dinov2").vectors().model == "dinov2"
