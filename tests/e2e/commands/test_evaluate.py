import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from artculture import cli


@pytest.fixture
def other(tmp_path):
    """Another museum: few pictures of two of the three cultures."""
    root = tmp_path / "other museum, (new)"
    for name, tint in {"red": (40, -20, -20), "blue": (-20, -20, 40)}.items():
        (root / name).mkdir(parents=True)
        for index in range(2):
            noise = np.random.default_rng(index).normal(110, 70, (50, 50, 3)) + np.array(tint)
            Image.fromarray(noise.clip(0, 255).astype("uint8")).save(root / name / f"{index}.png")
    return root


def test_a_run_is_evaluated_with_nothing_but_its_checkpoint(run, read_json, capsys):
    assert cli.main(["evaluate", f"checkpoint={run.best}"]) == 0
    shown = capsys.readouterr().out
    file = run.path / "evaluation" / "pictures" / "result.json"
    assert str(file.resolve()) in shown.replace(str(run.path), str(run.path.resolve()))
    assert read_json(file)["top1"] == read_json(run.result)["test_top1"]
    for word in ("top-1", "macro-F1", "calibration error", "green"):
        assert word in shown


def test_other_paintings_are_evaluated_whole(run, other, read_json, capsys):
    assert cli.main(["evaluate", f"checkpoint={run.best}", "data=folder", f"data.root={other}"]) == 0
    result = read_json(run.path / "evaluation" / other.name / "result.json")
    assert (result["split"], result["n"], result["trained_on"]) == ("all", 4, 0)
    assert result["recall"]["green"] is None
    assert result["support"] == {"blue": 2, "green": 0, "red": 2}


def test_training_paintings_are_evaluated_where_that_is_asked_for(run, pictures, read_json, capsys):
    given = ["evaluate", f"checkpoint={run.best}", "data=folder", f"data.root={pictures}"]
    for asked, n, trained_on in ((False, 12, 0), (True, 42, 18)):
        assert cli.main([*given, f"include_trained={str(asked).lower()}"]) == 0
        result = read_json(run.path / "evaluation" / "pictures" / "result.json")
        assert (result["n"], result["trained_on"]) == (n, trained_on)


def test_a_loose_checkpoint_has_its_own_place(run, other, tmp_path):
    shutil.copy(run.best, tmp_path / "mine.ckpt")
    assert cli.main(["evaluate", "checkpoint=mine.ckpt", "data=folder", f"data.root={other}"]) == 0
    assert (tmp_path / "outputs" / "evaluations" / "mine" / other.name / "result.json").is_file()


def test_the_output_s_place_can_be_named(run, tmp_path):
    assert cli.main(["evaluate", f"checkpoint={run.path}", "split=val", "output=here=now"]) == 0
    table = tmp_path / "here=now" / "predictions.csv"
    table.write_text("precious")
    assert cli.main(["evaluate", f"checkpoint={run.path}", "split=val", "output=here=now"]) == 2
    assert cli.main(["evaluate", f"checkpoint={run.path}", f"output={run.path}", "overwrite=true"]) == 2
    assert table.read_text() == "precious"
    assert cli.main(["evaluate", f"checkpoint={run.path}", "split=val", "output=here=now", "overwrite=true"]) == 0
    assert table.read_text() != "precious"


MISTAKES = {
    "": ["checkpoint is missing; give it as checkpoint=…"],
    "checkpoint=nope.ckpt": ["no checkpoint at nope.ckpt"],
    "checkpoint=a split=tset": ["split=tset", "did you mean `test`?"],
    "checkpoint=a data=fodler": ["data=fodler: did you mean `folder`?"],
    "checkpoint=a data=folder": ["data.root is missing"],
    "checkpoint=a data=folder data.root=x data.fractions=[1,1,1]": ["data.fractions"],
    "checkpoint=a checkpiont=b": ["no key `checkpiont`: did you mean `checkpoint`?"],
    "checkpoint=a architecture=alexnet": ["architecture"],
}


@pytest.mark.parametrize(("typed", "says"), MISTAKES.items())
def test_mistakes_end_in_one_clear_message(typed, says, capsys, tmp_path):
    assert cli.main(["evaluate", *typed.split()]) == 2
    message = capsys.readouterr().err
    assert all(part in message for part in says)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_said(run, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert cli.main(["evaluate", f"checkpoint={run.best}", "device=gpu"]) == 2
    assert "device=gpu, but no GPU is visible" in capsys.readouterr().err


LIGHT = """
import sys
from artculture import cli
code = cli.main([sys.argv[1], "--help"])
sys.exit(f"imported: {heavy}" if (heavy := {"torch", "lightning", "pandas", "scipy"} & set(sys.modules)) else code)
"""


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_help_imports_nothing_heavy(command):
    done = subprocess.run([sys.executable, "-c", LIGHT, command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
