import shutil

import pandas as pd
import pytest
import torch

from artculture import cli
from artculture.models.checkpoint import load_classifier, read_checkpoint
from artculture.training.run_directory import RunDirectory


@pytest.fixture
def study(run, train, tmp_path, monkeypatch):
    """A study of two runs with one split, and one with another split."""
    monkeypatch.setattr("artculture.evaluation.calibration.MIN_VALIDATION_IMAGES", 10)
    usual = ["study.name=kept", "data.fractions=[0.4,0.3,0.3]", "trainer.max_epochs=1", "trainer.precision=32"]
    assert train(*usual, "method.head_lr=0.1") == 0
    other = shutil.copytree(run.path, run.path.with_name("elsewhere"))
    split = pd.read_csv(other / "split.csv")
    split["split"] = split["split"].map({"train": "test", "test": "train", "val": "val"})
    split.to_csv(other / "split.csv", index=False)
    directory = RunDirectory(other)
    directory.set_status("finished", sha256=directory.checksums())
    return tmp_path / "outputs" / "kept"


def test_an_ensemble_is_a_row_and_a_checkpoint_of_its_own(study, pictures, tmp_path, read_json, capsys, caplog):
    assert cli.main(["ensemble", "study.name=kept"]) == 0
    assert "Ensemble" in capsys.readouterr().out
    assert "left out elsewhere" in caplog.text
    (directory,) = [RunDirectory(path) for path in study.glob("ensemble-mean*")]
    result = directory.read_result()
    assert list(result["ensemble"]["members"].values()) == [0.5, 0.5]
    assert cli.main(["report", "study.name=kept"]) == 0
    assert "artculture ensemble study.name=kept" in (study / "report.md").read_text()

    # Made again only where its members changed.
    before = directory.status()["finished"]
    assert cli.main(["ensemble", "study.name=kept"]) == 0
    assert "skipped" in caplog.text
    assert directory.status()["finished"] == before
    member = RunDirectory(study / result["ensemble"]["candidates"][0])
    torch.save({**read_checkpoint(member.best), "changed": 1}, member.best)
    assert cli.main(["ensemble", "study.name=kept"]) == 0
    assert directory.status()["finished"] > before

    # Evaluated again from its one file, it has the same numbers.
    assert cli.main(["evaluate", f"checkpoint={directory.path}"]) == 0
    again = read_json(directory.path / "evaluation" / "pictures" / "result.json")
    assert again["top1"] == result["test_top1"]
    assert again["ece_calibrated"] == pytest.approx(result["test_ece_calibrated"], abs=1e-6)

    # A soup is one network.
    assert cli.main(["ensemble", "study.name=kept", "kind=soup"]) == 0
    (soup,) = [RunDirectory(path) for path in study.glob("ensemble-soup-*")]
    assert load_classifier(soup.best).temperature == soup.read_result()["temperature"]
    assert cli.main(["ensemble", "study.name=kept", "members=[elsewhere,test_resnet*]"]) == 2
    assert "need the same split" in capsys.readouterr().err

    # The checkpoint needs nothing of its study.
    moved = shutil.move(directory.best, tmp_path / "moved.ckpt")
    stored = pd.read_csv(directory.predictions).set_index("object_id")
    shutil.rmtree(study)
    given = ["predict", f"checkpoint={moved}", f"images={pictures}/red"]
    assert cli.main([*given, "format=csv", "output=p.csv"]) == 0
    predicted = pd.read_csv("p.csv")
    keys = ["/".join(name.removesuffix(".png").split("/")[-2:]) for name in predicted["image"]]
    assert set(keys) & set(stored.index)
    for key, culture, probability in zip(keys, predicted["class_1"], predicted["probability_1"], strict=True):
        if key in stored.index:
            assert stored.loc[key, f"p_{culture}"] == pytest.approx(probability, abs=1e-5)
    assert cli.main([*given, "overlay=maps"]) == 2


@pytest.mark.parametrize(
    ("state", "members", "message"),
    [
        ("finished", "null", "two finished runs or more"),
        ("finished", "nobody", "no such run"),
        ("failed", "test_*", ": failed"),
    ],
)
def test_runs_that_cannot_be_averaged_are_named(run, capsys, state, members, message):
    run.set_status(state)
    assert cli.main(["ensemble", "study.name=kept", f"members={members}"]) == 2
    assert message in capsys.readouterr().err
