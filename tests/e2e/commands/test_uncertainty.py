import json

import pandas as pd
import torch

from artculture import cli


def test_a_run_knows_what_it_does_not_know(run, pictures, tmp_path, read_json, capsys):
    asked = ["sets=0.9", "unlike=true"]
    assert cli.main(["evaluate", f"checkpoint={run.path}", *asked]) == 0
    assert "sets with a coverage of 90 %" in capsys.readouterr().out
    folder = run.path / "evaluation" / "pictures"
    result, stored = read_json(folder / "result.json"), read_json(run.result)["sets"]
    assert result["sets"] == stored  # the run has measured the same on its test split
    table = pd.read_csv(folder / "predictions.csv")
    sizes = table["set"].str.count(" or |, ") + 1
    assert sizes.mean() == result["sets"]["mean_size"]
    assert table["unlike"].between(0, 1).all()

    given = ["predict", f"checkpoint={run.path}", f"images={pictures}/red", *asked]
    assert cli.main([*given, "format=jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert cli.main([*given, "format=csv", "output=p.csv"]) == 0
    predicted = pd.read_csv("p.csv")
    assert list(predicted.columns[-3:]) == ["set", "unlike", "error"]
    for line, row in zip(lines, predicted.to_dict("records"), strict=True):
        assert line["set"][0] == row["class_1"] == line["predictions"][0]["class"]
        assert line["unlike"] == row["unlike"]

    assert cli.main([*given[:-1], "sets_by=culture", "format=jsonl"]) == 0
    per_culture = [json.loads(line)["set"] for line in capsys.readouterr().out.splitlines()]
    assert all(set(line["set"]) <= set(classes) for line, classes in zip(lines, per_culture, strict=True))

    content = torch.load(run.best, weights_only=True)
    assert content.pop("uncertainty")["scores"].dtype == torch.float64
    torch.save(content, tmp_path / "bare.ckpt")
    assert cli.main(["predict", "checkpoint=bare.ckpt", f"images={pictures}/red", "unlike=true"]) == 2
    assert "unlike=true needs scores of the validation paintings" in capsys.readouterr().err
