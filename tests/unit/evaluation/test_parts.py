import numpy as np
import pandas as pd
import pytest

from artculture.evaluation.intervals import wilson
from artculture.evaluation.parts import accuracy_by_artist, metrics_by_source


def test_accuracy_by_artist():
    artists = pd.Series(["Titian", "TITIAN (Tiziano Vecellio)", "Rubens", "", "Unknown", "Titian"])
    right = np.array([True, True, False, True, False, False])
    found = accuracy_by_artist(right, artists, pd.Series(["Titian", "", "Unknown", "Goya"]))
    assert found == {
        "share": 0.5,
        "share_interval": wilson(3, 6),
        "in_training": {"n": 3, "top1": 2 / 3, "interval": wilson(2, 3)},
        "not_in_training": {"n": 1, "top1": 0.0, "interval": wilson(0, 1)},
        "unnamed": {"n": 2, "top1": 0.5, "interval": wilson(1, 2)},
    }
    nobody = pd.Series(["", "Unknown"])
    assert accuracy_by_artist(right[:2], nobody, nobody) is None
    assert accuracy_by_artist(right[:1], artists[:1], nobody)["in_training"] == {"n": 0, "top1": None, "interval": None}


def test_metrics_by_source():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    labels = np.array([0, 1, 1, 0])
    found = metrics_by_source(probabilities, labels, ["a", "b"], ["met", "met", "aic", "aic"], {"met": 40})
    assert {name: (part["n"], part["trained_on"], part["top1"]) for name, part in found.items()} == {
        "aic": (2, 0, 0.5),
        "met": (2, 40, 1.0),
    }
    assert found["aic"]["macro_recall"] == pytest.approx(0.5)
    assert found["aic"]["intervals"]["top1"] == wilson(1, 2)
    assert metrics_by_source(probabilities, labels, ["a", "b"], ["met"] * 4) is None
