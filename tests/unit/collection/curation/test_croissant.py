import json

import mlcroissant
import pandas as pd
import pytest

from artculture.collection.curation.croissant import CC0, description, write_croissant

TABLE = pd.DataFrame(
    {
        "object_id": ["1", "2"],
        "source": ["met", "artic"],
        "image": ["images/1.jpg", "images/2.jpg"],
        "culture": ["Dutch", "Indian"],
        "title": ["One, two", "Three"],
        "object_url": ["https://example.org/1", ""],
        "licence": ["CC0", "CC0"],
        "width": [10, 20],
    }
)


@pytest.fixture
def written(tmp_path):
    TABLE.to_csv(tmp_path / "manifest.csv", index=False)
    return write_croissant(tmp_path / "manifest.csv", TABLE, "2026-11-02")


# rdflib, which reads the file, warns of its own insides.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_finds_no_fault_and_reads_the_rows(written):
    dataset = mlcroissant.Dataset(written)
    assert dataset.metadata.issues.errors == set()
    assert dataset.metadata.license == [CC0]
    rows = [dict(row) for row in dataset.records("paintings")]
    assert [row["paintings/title"] for row in rows] == [b"One, two", b"Three"]
    assert [row["paintings/width"] for row in rows] == [10, 20]


def test_several_licences_are_listed(tmp_path, written):
    table = TABLE.assign(licence=["CC0", ""])
    values = description(tmp_path / "manifest.csv", table)
    assert values["license"] == sorted([CC0, "not stated"])
    assert "datePublished" not in values
    assert json.loads(written.read_text())["datePublished"] == "2026-11-02"
