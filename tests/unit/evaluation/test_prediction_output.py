import pyarrow.parquet as pq
import pytest

from artculture.evaluation import prediction_output
from artculture.evaluation.predict import Prediction
from artculture.evaluation.prediction_output import write_predictions


@pytest.mark.parametrize("rows_per_group", [2, 10])
def test_parquet_has_the_columns_of_the_csv(tmp_path, monkeypatch, rows_per_group):
    monkeypatch.setattr(prediction_output, "ROWS_PER_GROUP", rows_per_group)
    good = Prediction("=a.jpg", (("Dutch", 0.75), ("Indian", 0.25)))
    made = [good, Prediction("b.jpg", error="zero bytes"), good]
    for form in ("csv", "parquet"):
        write_predictions(iter(made), form, {"culture": 2}, tmp_path / f"out.{form}")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == (tmp_path / "out.csv").read_text().splitlines()[0].split(",")
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == -(-3 // rows_per_group)
    first, second, _ = table.to_pylist()
    assert first == {
        "image": "=a.jpg", "culture_1": "Dutch", "probability_1": 0.75, "culture_2": "Indian", "probability_2": 0.25,
        "error": None,
    }  # fmt: skip
    assert (second["culture_1"], second["probability_2"], second["error"]) == (None, None, "zero bytes")


def test_no_predictions_are_an_empty_table(tmp_path):
    write_predictions(iter(()), "parquet", {"culture": 1}, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0
