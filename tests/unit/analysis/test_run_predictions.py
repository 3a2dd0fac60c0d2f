from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from artculture.analysis.loading import load_model_under_study, own_data
from artculture.analysis.run_predictions import stored_logits
from artculture.evaluation.calibration import logits_from_probabilities, softmax
from artculture.utils.errors import InputError

NAMES = ["p_blue", "p_green", "p_red"]


@pytest.fixture
def model(run):
    return load_model_under_study(run.best)


@pytest.fixture
def stored(run):
    return pd.read_csv(run.predictions, dtype={"object_id": str}, keep_default_na=False)


@pytest.fixture
def computed(model, stored):
    """Logits that say the same as the stored predictions but for rounding; those of training paintings are zeros."""
    position = {ident: i for i, ident in enumerate(model.paintings.selection.manifest.table["object_id"])}
    logits = np.zeros((42, 3), dtype=np.float32)
    rows = [position[ident] for ident in stored["object_id"]]
    logits[rows] = (
        logits_from_probabilities(stored[NAMES].to_numpy(), model.classifier.temperature) + 1e-3 * np.eye(3)[0]
    )
    return logits


def rewrite(run, table):
    table.to_csv(run.predictions, index=False)
    run.set_status("finished", sha256=run.checksums())


def test_stored_predictions_replace_computed_ones(model, stored, computed):
    merged = stored_logits(model, computed)
    split = model.paintings.selection.split
    assert not merged[split == "train"].any()
    shares = softmax(merged, model.classifier.temperature)
    for row in stored.itertuples():
        (place,) = np.flatnonzero(model.paintings.selection.manifest.table["object_id"] == row.object_id)
        assert list(shares[place]) == pytest.approx([getattr(row, name) for name in NAMES], abs=1e-7)


def test_another_checkpoint_of_the_run_keeps_its_computed_logits(model, run, computed):
    other = replace(model, checkpoint=run.last)
    assert stored_logits(other, computed) is computed


def test_paintings_that_the_run_did_not_predict_keep_computed_logits(model, pictures, stored, computed):
    first, second, *_ = stored["object_id"]
    (pictures / f"{first}.png").unlink()
    (pictures / f"{second}.png").write_bytes((pictures / f"{stored['object_id'].iloc[-1]}.png").read_bytes() + b" ")
    choice, _ = own_data(model.checkpoint, model.run)
    other = load_model_under_study(model.checkpoint, choice)
    before, now = (list(one.paintings.selection.manifest.table["object_id"]) for one in (model, other))
    logits = computed[[before.index(ident) for ident in now]]
    changed = (stored_logits(other, logits) != logits).any(axis=1)
    assert {ident for ident, new in zip(now, changed, strict=True) if new} == set(stored["object_id"]) - {first, second}


def test_predictions_of_another_checkpoint_are_an_error(model, run, stored, computed):
    rewrite(run, stored.assign(p_blue=stored["p_green"], p_green=stored["p_blue"]))
    with pytest.raises(InputError, match=r"give probabilities up to 0\.\d+ apart .* resume=never"):
        stored_logits(model, computed)


@pytest.mark.parametrize("text", ["", "much"])
def test_a_non_numeric_probability_is_an_error(model, run, stored, computed, text):
    rewrite(run, stored.astype({"p_red": object}).assign(p_red=text))
    with pytest.raises(InputError, match=r"resume=never"):
        stored_logits(model, computed)


def test_a_table_without_a_class_is_an_error(model, run, stored, computed):
    rewrite(run, stored.drop(columns="p_red"))
    with pytest.raises(InputError, match="lacks one of source, object_id, p_blue, p_green, p_red"):
        stored_logits(model, computed)
