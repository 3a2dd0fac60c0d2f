from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from artculture.data.cache.features import FeatureViews
from artculture.evaluation.calibration import softmax
from artculture.models.checkpoint import load_classifier
from artculture.training import probe
from artculture.training.factory import make_datamodule
from artculture.training.identity import identity
from artculture.training.job import read_job
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError

Train = Callable[..., int]
PROBE = ("method=probe", "data.fractions=[0.4,0.3,0.3]")


def _check_predictions(run: Path) -> None:
    """Check that the checkpoint predicts from pictures what the run has stored."""
    module = load_classifier(run / "checkpoints" / "best.ckpt")
    data = make_datamodule(read_job(RunDirectory(run)).config)
    selection = data.paintings.selection
    stored = pd.read_csv(run / "predictions.csv")
    rows = np.concatenate([selection.members("val"), selection.members("test")])
    with torch.inference_mode():
        logits = module(data.maker(None)(0, rows)).numpy()
    probabilities = softmax(logits, module.temperature)
    assert stored.filter(regex="^p_").to_numpy() == pytest.approx(probabilities, abs=1e-5)


def test_a_probe_leaves_a_run_like_any_other(train: Train, only_run, read_json, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(probe, "_logits", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert train(*PROBE) == 130
    run = only_run()
    assert run.name.startswith("test_resnet-probe-pictures-weights=none-")
    assert read_json(run / "status.json")["state"] == "interrupted"
    # It starts over, with the features that are in the cache.
    monkeypatch.setattr(FeatureViews, "_compute", lambda *_: pytest.fail("computed again"))
    assert train(*PROBE) == 0
    result, metrics = read_json(run / "result.json"), pd.read_csv(run / "metrics.csv")
    assert (result["scheduler"], result["method"], result["epochs"]) == ("none", "probe", 1)
    assert list(metrics["epoch"]) == [0]
    assert metrics["val/top1"][0] == pytest.approx(result["val_top1"]) == result["best_score"]
    assert result["probe"]["C"] in {tried["C"] for tried in result["probe"]["tried"]}
    _check_predictions(run)

    # Finished: skipped, also with other values of what it does not use.
    stamp, first = (run / "result.json").stat().st_mtime_ns, (run / "predictions.csv").read_bytes()
    assert train(*PROBE, "optimizer=adamw", "trainer.max_epochs=7", "trainer.ema=0.9", "scheduler=step") == 0
    assert (run / "result.json").stat().st_mtime_ns == stamp
    assert "method=probe does not use optimizer=adamw, scheduler=step, trainer.max_epochs=7" in caplog.text
    assert train(*PROBE, "resume=never") == 0
    assert (run / "result.json").stat().st_mtime_ns != stamp
    assert (run / "predictions.csv").read_bytes() == first


@pytest.mark.slow
def test_a_weighted_probe_of_neighbours_leaves_its_predictions(train: Train, only_run):
    assert train(*PROBE, "method.classifier=knn", "balance=class_weights") == 0
    _check_predictions(only_run())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("balance=focal",), "balance=focal is of training by steps"),
        (("balance=class_weights", "method.classifier=nearest_mean"), "no meaning for method.classifier=nearest_mean"),
        (("resume=outputs/other",), "architecture.weights=RUN/checkpoints/best.ckpt"),
    ],
)
def test_what_a_probe_can_not_do_is_one_clear_error(composed, overrides, said):
    with pytest.raises(InputError, match=said):
        composed("method=probe", *overrides)


def test_values_of_training_are_not_part_of_a_probe(composed):
    one, other = composed("method=probe"), composed("method=probe", "optimizer=adamw", "augment=strong", "head=linear")
    assert identity(one.model_dump()) == identity(other.model_dump())
    assert identity(composed("method=probe", "balance=class_weights").model_dump()) != identity(one.model_dump())


def test_folds_are_one_row_in_which_every_painting_is_tested_once(train: Train, tmp_path):
    folds = ("method=probe", "method.classifier=nearest_mean", "data.folds=2")
    assert train(*folds, "data.fold=0") == 0
    study = tmp_path / "outputs" / "default"
    assert "lacks fold 1, whose paintings are not counted" in (study / "results.md").read_text()
    assert train(*folds, "data.fold=1") == 0
    (row,) = pd.read_csv(study / "results.csv").to_dict("records")
    assert (row["folds"], row["test_paintings"], row["seeds"]) == (2, 42, 1)
    tables = [pd.read_csv(path) for path in study.glob("*/predictions.csv")]
    tested = pd.concat([table[table["split"] == "test"] for table in tables])
    assert len(tables) == 2
    assert tested["object_id"].is_unique
    probabilities = tested.filter(regex="^p_")
    right = probabilities.idxmax(axis=1).str.removeprefix("p_") == tested["culture"]
    assert row["top1"] == pytest.approx(100 * right.mean(), abs=0.01)
