"""The six rows of the paper's table on the synthetic sample, as `make grid` trains them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from artculture import cli
from artculture.analysis.similarity.culture_locations import region_of

GRID = ("study=table2", "data=sample", "architecture.weights=none", "logger=csv")


@pytest.mark.slow
def test_the_six_rows_learn_the_sample_and_its_geography(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *GRID]) == 0
    study = tmp_path / "outputs" / "table2"
    rows = pd.read_csv(study / "results.csv")
    assert len(rows) == 6
    assert (rows["top1_low"] > rows["majority"]).sum() >= 5
    assert rows["top1"].max() > 60
    scores = rows[["validation", "top1", "top3"]].map(lambda score: round(score, 6))
    assert len(scores.drop_duplicates()) == 6

    assert cli.main(["analyze", "study.name=table2", "log=false"]) == 0
    (index,) = study.glob("*/analysis/analysis.json")
    findings = {finding["name"]: finding["numbers"] for finding in json.loads(index.read_text())["findings"]}
    assert findings["geography"]["all"]["p_one_sided"] < 0.05
    pairs = pd.read_csv(index.with_name("culture_distances.csv"))
    nearest = pairs.loc[pairs.groupby("culture")["distance"].idxmin()]
    # The American culture is alone in its region.
    inside = nearest["culture"].map(region_of) == nearest["other"].map(region_of)
    assert inside[nearest["culture"] != "American"].mean() >= 0.8

    capsys.readouterr()
    assert cli.main(["report", "study.name=table2"]) == 0
    assert "is significantly better than guessing" in capsys.readouterr().out
