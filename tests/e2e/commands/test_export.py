import json
import shutil

import numpy as np
import pytest

from artculture import cli
from artculture.analysis.loading import load_model_under_study
from artculture.serving import export as export_module
from artculture.serving.export import compare
from artculture.utils.errors import WorkError


@pytest.mark.slow
def test_an_export_predicts_what_its_checkpoint_predicts(run, pictures, capsys):
    assert cli.main(["export", f"checkpoint={run.path}", "license=cc0-1.0", "pictures=8"]) == 0
    assert "Same most probable class for 8 of 8 pictures" in capsys.readouterr().out
    path = run.path / "export" / "model-float32.onnx"
    record = json.loads(path.with_name("model-float32.onnx.json").read_text())
    assert (record["license"], record["precision"], record["parity"]["pictures"]) == ("cc0-1.0", "float32", 8)
    assert record["parity"]["largest_difference"] < 1e-5
    assert record["parity"]["before"] == record["parity"]["after"]
    printed = []
    for checkpoint in (run.path, path):
        assert cli.main(["predict", f"checkpoint={checkpoint}", f"images={pictures}", "format=csv"]) == 0
        printed.append([line.split(",")[:2] for line in capsys.readouterr().out.splitlines()])
    assert len(printed[0]) == 43
    assert printed[0] == printed[1]
    assert cli.main(["predict", f"checkpoint={path}", f"images={pictures}", "overlay=maps"]) == 2
    assert "has no feature maps" in capsys.readouterr().err


def test_a_file_that_answers_otherwise_replaces_none(run, tmp_path, capsys, monkeypatch):
    def writes(model, settings, path, facts):
        path.touch()
        return {}

    monkeypatch.setattr(export_module, "_write", writes)
    monkeypatch.setattr(export_module, "_reader", lambda _: lambda images: np.eye(3)[[0] * len(images)])
    earlier = tmp_path / "a.onnx"
    earlier.write_text("of an earlier export")
    assert cli.main(["export", f"checkpoint={run.best}", "output=a.onnx", "overwrite=true"]) == 1
    assert "a.onnx is not written: its most probable class is the checkpoint's for" in capsys.readouterr().err
    assert not list(tmp_path.glob(".export-*"))
    assert earlier.read_text() == "of an earlier export"
    model = load_model_under_study(run.best)
    with pytest.raises(WorkError, match="not finite"):
        compare(model, np.arange(3), lambda images: np.full((len(images), 3), np.nan))


MISTAKES = {
    "format=torch_export precision=int8": "precision int8 is for format=onnx",
    "output=model.bin": "a file of format=onnx ends with .onnx",
    "format=onx": "did you mean `onnx`?",
    "agreement=2": "agreement",
}


@pytest.mark.parametrize(("typed", "says"), MISTAKES.items())
def test_mistakes_end_in_one_clear_message(typed, says, capsys):
    assert cli.main(["export", "checkpoint=a", *typed.split()]) == 2
    assert says in capsys.readouterr().err


def test_a_checkpoint_elsewhere_needs_paintings_to_compare_on(run, tmp_path, capsys):
    shutil.copy(run.best, tmp_path / "alone.ckpt")
    assert cli.main(["export", "checkpoint=alone.ckpt"]) == 2
    assert "name the paintings" in capsys.readouterr().err
