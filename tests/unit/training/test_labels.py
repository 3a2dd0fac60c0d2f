import csv
import json

import pandas as pd
import pytest
import torch

from artculture import cli
from artculture.analysis.loading import load_model_under_study
from artculture.analysis.performance.evaluation import compute_logits, settings_of_run
from artculture.evaluation.calibration import softmax
from artculture.models.checkpoint import load_classifier
from artculture.training.callbacks.divergence import DivergenceGuard
from artculture.utils.errors import InputError
from tests.unit.training.same_run import assert_same_run

LABELS = ["data.labels=[culture,century,shade]", "data.ordinal=[century]", "data.fractions=[0.5,0.25,0.25]"]


@pytest.fixture
def labelled(pictures):
    """The pictures with a table of three labels; of a century two thirds are missing, of a shade a few."""
    images = sorted(path.relative_to(pictures).as_posix() for path in pictures.glob("*/*.png"))
    rows = [
        {
            "image": image,
            "culture": "" if place == 5 else image.split("/")[0],
            "century": "" if place % 3 else f"{15 + place % 4}th",
            "shade": "" if place % 7 == 0 else ("dark", "light")[place % 2],
        }
        for place, image in enumerate(images)
    ]
    with (pictures / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return pictures


def run_of(tmp_path, study):
    (config,) = tmp_path.glob(f"outputs/{study}/*/config.yaml")
    return config.parent


def check_commands(run, labelled, tmp_path, capsys):
    """Evaluate and predict all labels; each head alone gives what the run has stored of it."""
    result = json.loads((run / "result.json").read_text())
    assert cli.main(["evaluate", f"checkpoint={run}", "output=evaluated"]) == 0
    evaluated = json.loads((tmp_path / "evaluated/result.json").read_text())
    for label, numbers in result["labels"].items():
        found = evaluated["labels"][label]
        keys = ("top1", "macro_recall", "loss", *(["mae"] if label == "century" else []))
        assert [found[key] for key in keys] == [numbers[f"test_{key}"] for key in keys]
        model = load_model_under_study(run, label=label)
        tested = model.paintings.selection.members("test")
        computed = compute_logits(model, tested, settings_of_run(model))
        predictions = pd.read_csv(run / f"predictions-{label}.csv")
        stored = predictions[predictions["split"] == "test"].filter(regex="^p_").to_numpy()
        assert softmax(computed, model.classifier.temperature) == pytest.approx(stored, abs=1e-6)
        assert (tmp_path / "evaluated" / f"predictions-{label}.csv").is_file()
    assert evaluated["top1"] == result["test_top1"]

    capsys.readouterr()
    picture = labelled / "red/0.png"
    assert cli.main(["predict", f"checkpoint={run}", f"images={picture}", "format=csv", "top=2"]) == 0
    header, row = csv.reader(capsys.readouterr().out.splitlines())
    said = dict(zip(header, row, strict=True))
    assert {said["shade_1"], said["shade_2"]} == {"dark", "light"}
    assert float(said["century_probability_1"]) >= float(said["century_probability_2"]) > 0
    assert load_classifier(run / "checkpoints/best.ckpt").classes == ("blue", "green", "red")
    with pytest.raises(InputError, match="label=shad: did you mean"):
        load_model_under_study(run, label="shad")


ASKED = [*LABELS, "augment=modern", "head.dropout=0.3", "trainer.checkpoint_every_steps=1", "trainer.max_epochs=1"]
ASKED += ["trainer.monitor=val/century/mae"]


@pytest.mark.slow
def test_several_labels_resume_exactly(train, labelled, monkeypatch, tmp_path):
    assert train(*ASKED, "study.name=whole") == 0

    def die(self, trainer, *_):
        if trainer.global_step == 2:
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(DivergenceGuard, "on_train_batch_start", die, raising=False)
        assert train(*ASKED, "study.name=stopped") == 1
    assert train(*ASKED, "study.name=stopped") == 0
    whole, stopped = run_of(tmp_path, "whole"), run_of(tmp_path, "stopped")
    assert_same_run(whole, stopped)
    for label in ("century", "shade"):
        file = f"predictions-{label}.csv"
        assert (whole / file).read_bytes() == (stopped / file).read_bytes()


def test_several_labels_have_results_each(train, labelled, tmp_path, capsys):
    assert train(*ASKED, "study.name=whole") == 0
    whole = run_of(tmp_path, "whole")
    before = (whole / "result.json").stat().st_mtime_ns
    assert train(*ASKED, "study.name=whole") == 0  # skipped: the data are the same
    assert (whole / "result.json").stat().st_mtime_ns == before

    result, split = json.loads((whole / "result.json").read_text()), pd.read_csv(whole / "split.csv", dtype=str)
    metrics = pd.read_csv(whole / "metrics.csv")
    assert (result["label"], list(result["labels"])) == ("culture", ["century", "shade"])
    for label, numbers in result["labels"].items():
        known = split[f"label_{label}"].notna()
        assert numbers["counts"] == {name: int((known & (split["split"] == name)).sum()) for name in result["counts"]}
        predictions = pd.read_csv(whole / f"predictions-{label}.csv")
        assert len(predictions) == numbers["counts"]["val"] + numbers["counts"]["test"]
        best = metrics.loc[metrics["val/century/mae"].idxmin()]
        assert best[f"val/{label}/top1"] == pytest.approx(numbers["val_top1"])
        assert f"train/{label}/top1" in metrics
    assert best["val/century/mae"] == pytest.approx(result["labels"]["century"]["val_mae"])
    said = torch.load(whole / "checkpoints/best.ckpt", weights_only=True)["artculture"]
    assert [label["classes"] for label in said["labels"]] == [
        ["blue", "green", "red"], ["15th", "16th", "17th", "18th"], ["dark", "light"]
    ]  # fmt: skip
    losses = [result["val_loss"], *(numbers["val_loss"] for numbers in result["labels"].values())]
    assert best["val/loss"] == pytest.approx(sum(losses), rel=0.02)
    check_commands(whole, labelled, tmp_path, capsys)


@pytest.mark.slow
def test_two_devices_are_as_one_though_one_has_batches_without_a_label(train, labelled, tmp_path):
    # No BatchNorm: the only layer that sees a device's share of a batch instead of the batch.
    asked = [*LABELS, "trainer.max_epochs=2", "trainer.precision=32", "architecture.name=test_convnext"]
    for devices in (1, 2):
        assert train(*asked, f"trainer.devices={devices}", f"study.name=of{devices}") == 0
    one, two = (pd.read_csv(run_of(tmp_path, f"of{n}") / "metrics.csv").drop(columns="seconds") for n in (1, 2))
    pd.testing.assert_frame_equal(one, two, rtol=1e-5, atol=1e-5)
