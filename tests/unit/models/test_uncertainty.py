from pathlib import Path

import numpy as np
import pytest
import torch

from artculture.models.uncertainty import Typicality, Uncertainty, uncertainty_of
from artculture.utils.errors import InputError

KNOWN = Uncertainty(
    np.array([0.1, 0.2]),
    [Typicality(np.eye(3, 4, dtype=np.float32), np.array([0.5, 0.7, 0.9])) for _ in range(2)],
    np.array([2, 0]),
)
FILE = Path("best.ckpt")


def test_it_is_read_as_it_was_stored(tmp_path):
    torch.save({"uncertainty": KNOWN.as_tensors()}, tmp_path / "a.ckpt")
    again = uncertainty_of(torch.load(tmp_path / "a.ckpt", weights_only=True), FILE, 3, networks=2)
    assert again.scores.tolist() == [0.1, 0.2]
    assert again.labels is not None
    assert again.labels.tolist() == [2, 0]
    assert [one.means.tolist() for one in again.networks] == [np.eye(3, 4).tolist()] * 2
    assert uncertainty_of({}, FILE, 3) is None


@pytest.mark.parametrize(
    "change",
    [
        {"scores": torch.ones(0, dtype=torch.float64)},
        {"scores": torch.tensor([float("nan")], dtype=torch.float64)},
        {"scores": "many"},
        {"labels": torch.tensor([0, 3])},
        {"labels": torch.tensor([0])},
        {"means.0": torch.ones(2, 4)},
        {"similarities.0": torch.ones(2, 2, dtype=torch.float64)},
    ],
)
def test_a_file_with_anything_in_it_is_one_message(change):
    with pytest.raises(InputError, match="damaged"):
        uncertainty_of({"uncertainty": {**KNOWN.as_tensors(), **change}}, FILE, 3)


def test_other_kinds_are_one_message():
    with pytest.raises(InputError, match="damaged"):
        uncertainty_of({"uncertainty": [1]}, FILE, 3)
