from types import SimpleNamespace

import numpy as np

from artculture.training import uncertainty_fit
from artculture.training.uncertainty_fit import training_rows


def test_rows_are_spread_over_each_class_and_begin_with_all_of_them(monkeypatch):
    monkeypatch.setattr(uncertainty_fit, "MOST_OF_A_CLASS", 3)
    labels = np.repeat([0, 1, 2], [20, 2, 10])
    split = np.where(np.arange(32) % 5 == 4, "val", "train")
    selection = SimpleNamespace(classes="abc", labels=labels, members=lambda name: np.flatnonzero(split == name))
    rows = training_rows(selection)
    assert set(split[rows]) == {"train"}
    assert len(set(rows.tolist())) == len(rows)
    assert np.bincount(labels[rows]).tolist() == [3, 2, 3]
    assert sorted(labels[rows[:3]]) == [0, 1, 2]
    assert {0, 18} <= set(rows.tolist())
