import pandas as pd
import pytest

from artculture.studies.executor import RunProcess
from artculture.studies.search.trials import _diverged, best_accuracy


@pytest.mark.parametrize(("monitor", "accuracy"), [("val/top1", 0.6), ("val/loss", 0.5), ("val/macro_f1", 0.4)])
def test_a_trial_s_value_is_of_the_epoch_that_the_monitor_picks(monitor, accuracy):
    history = pd.DataFrame({"val/top1": [0.6, 0.5, 0.4], "val/loss": [3.0, 1.0, 2.0], "val/macro_f1": [0.1, 0.2, 0.3]})
    assert best_accuracy(history, monitor) == accuracy


@pytest.mark.parametrize(
    ("state", "error", "losses", "diverged"),
    [
        ("failed", "diverged: the training loss is nan at step 7", [1.0], True),
        ("failed", "", [1.0, float("nan")], True),
        ("failed", "no such file", [1.0], False),
        ("finished", "", [1.0], False),
    ],
)
def test_divergence_is_distinguished_from_other_failures(composed_row, state, error, losses, diverged):
    process = RunProcess(composed_row(), state, error)
    assert _diverged(process, pd.DataFrame({"val/loss": losses})) == diverged
