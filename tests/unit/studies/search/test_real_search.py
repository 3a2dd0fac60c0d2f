"""A search whose trials really train, and what its best values are used for."""

import json
import shlex

import pandas as pd
import pytest

from artculture import cli


@pytest.mark.slow
def test_a_search_looks_at_no_test_painting_and_its_best_values_train(search, tmp_path, capsys):
    assert search("search.trials=2", "trainer.max_epochs=2") == 0
    study = tmp_path / "outputs" / "default"
    runs = [file.parent for file in study.glob("trials/*/result.json")]
    assert len(runs) == 2
    for run in runs:
        assert set(pd.read_csv(run / "predictions.csv")["split"]) == {"val"}
        assert not [key for key in json.loads((run / "result.json").read_text()) if key.startswith("test")]
    printed = next(line for line in capsys.readouterr().out.splitlines() if "+tuned=" in line)
    assert cli.main(shlex.split(printed)[1:]) == 0
    (file,) = study.glob("*/result.json")
    table = pd.read_csv(next(study.glob("trials/*.csv")))
    best = table.loc[table["val_top1"].idxmax()]
    assert f"head_lr={best['method.head_lr']:g}" in file.parent.name
    result = json.loads(file.read_text())
    assert result["val_top1"] == pytest.approx(best["val_top1"])
    assert "test_top1" in result
