"""Whole commands on a CUDA device."""

import json
import os
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from artculture.training.factory import make_trainer
from tests.unit.training.acceleration.test_cuda_graph import NoWaiting
from tests.unit.training.same_run import assert_same_run

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("method", ["finetuned", "transfer", "scratch"])
@pytest.mark.parametrize("augment", ["standard", "strong"])
def test_a_row_trains(train, only_run, method, augment):
    assert train("trainer=gpu", f"method={method}", f"augment={augment}") == 0
    result = json.loads((only_run() / "result.json").read_text())
    assert "NVIDIA" in result["device"]
    assert result["counts"]["test"] == (pd.read_csv(only_run() / "predictions.csv")["split"] == "test").sum()


@pytest.mark.parametrize("method", ["finetuned", "transfer"])
def test_a_run_stopped_within_an_epoch_ends_with_the_same_bits(train, only_run, tmp_path, at_step, method):
    given = ("trainer=gpu", f"method={method}", "head.dropout=0.3", "data.batch_size=4")
    assert train(*given) == 0
    whole = only_run().relative_to(tmp_path)
    shutil.move(tmp_path / "outputs", tmp_path / "whole")
    with at_step(12, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        assert train(*given) == 75
    assert train(*given) == 0
    assert_same_run(tmp_path / "whole" / whole.relative_to("outputs"), only_run())


def test_graphs_change_no_number(train, tmp_path):
    runs = []
    for choice in ("true", "false"):
        assert train("trainer=gpu", f"trainer.cuda_graphs={choice}", f"study.name=graphs-{choice}") == 0
        runs += [file.parent for file in Path(tmp_path, "outputs", f"graphs-{choice}").glob("*/result.json")]
    assert_same_run(*runs)


def test_pictures_come_without_waiting(train, monkeypatch):
    def watched(*given, **named):
        trainer = make_trainer(*given, **named)
        trainer.callbacks.append(NoWaiting())
        return trainer

    monkeypatch.setattr("artculture.training.fit.make_trainer", watched)
    try:
        assert train("trainer=gpu", "augment=strong", "data.batch_size=4") == 0
    finally:
        torch.cuda.set_sync_debug_mode("default")
