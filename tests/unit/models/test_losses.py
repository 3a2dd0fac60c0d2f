import pytest
import torch

from artculture.models.losses import MeanLoss


def test_batches_count_by_their_pictures():
    metric = MeanLoss()
    for loss, pictures in [(1.0, 3), (2.0, 1)]:
        metric.update(torch.tensor(loss), pictures)
    assert float(metric.compute()) == 1.25


def test_a_loss_that_is_no_number_stays_one():
    metric = MeanLoss()
    metric.update(torch.tensor(float("nan")), 2)
    metric.update(torch.tensor(1.0), 2)
    assert float(metric.compute()) != pytest.approx(1.0)
    assert bool(metric.compute().isnan())
