import numpy as np
import pandas as pd
import pytest

from artculture.analysis.evaluation import default_folder, evaluate, rows_of, write_evaluation
from artculture.analysis.opening import open_subject
from artculture.errors import InputError
from artculture.models.checkpoint import store_temperature

SAME = {"top1": "test_top1", "top3": "test_top3", "macro_f1": "test_macro_f1", "loss": "test_loss"}


@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_a_run_s_own_numbers_come_out_again_exactly(train, only_run, read_json, precision):
    fractions = "data.fractions=[0.4,0.3,0.3]"
    assert train(fractions, "trainer.max_epochs=2", f"trainer.precision={precision}", "method.head_lr=0.05") == 0
    own = read_json(only_run() / "result.json")
    result, predictions = evaluate(open_subject(only_run()))
    assert {name: own[key] for name, key in SAME.items()} == {name: result[name] for name in SAME}
    assert (result["ece"], result["ece_calibrated"]) == (own["test_ece"], own["test_ece_calibrated"])
    assert result["confusion"] == own["confusion"]
    assert list(result["intervals"]["top1"]) == own["intervals"]["test_top1"]
    assert result["recall"] == {name: part["recall"] for name, part in own["per_culture"].items()}
    stored = pd.read_csv(only_run() / "predictions.csv", dtype={"object_id": str})
    stored = stored[stored["split"] == "test"].reset_index(drop=True)
    pd.testing.assert_frame_equal(predictions, stored, check_exact=True, check_dtype=False)


@pytest.mark.parametrize(("split", "n"), [(None, 12), ("val", 12), ("train", 18), ("all", 42)])
def test_the_split_asked_for_is_evaluated(run, split, n, caplog):
    result, predictions = evaluate(open_subject(run.best), split)
    assert result["n"] == len(predictions) == n
    assert result["trained_on"] == {"train": 18, "all": 18}.get(split, 0)
    assert ("were trained on" in caplog.text) == (split == "all")


def test_calibration_softens_but_keeps_the_predictions(run):
    store_temperature(run.best, 4.0)
    result, _ = evaluate(open_subject(run.best))
    store_temperature(run.best, 1.0)
    raw, _ = evaluate(open_subject(run.best))
    assert (result["top1"], result["ece"]) == (raw["top1"], raw["ece"])
    assert raw["ece_calibrated"] == pytest.approx(raw["ece"])
    assert result["ece_calibrated"] != pytest.approx(raw["ece"])


def test_an_empty_split_is_said(run):
    subject = open_subject(run.best)
    subject.paintings.selection.split[:] = "val"
    with pytest.raises(InputError, match="no painting is in the split `test`"):
        rows_of(subject, "test")


def test_results_land_in_the_run_whole(run, read_json):
    subject = open_subject(run.best)
    assert default_folder(subject, None, run.path) == subject.run.path / "evaluation" / "pictures"
    assert default_folder(subject, "val", run.path).name == "pictures-val"
    file = write_evaluation(default_folder(subject, None, run.path), *evaluate(subject))
    assert np.isclose(read_json(file)["top1"], read_json(run.result)["test_top1"])
    assert file.with_name("predictions.csv").is_file()
