import pytest
import torch

from artculture.models.losses import MeanLoss, build_loss, training_loss


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


def test_the_loss_of_mixed_images_is_that_of_their_shares_of_both_labels():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    labels, partners, share = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0]), torch.full((3,), 0.7)
    loss = build_loss({"name": "cross_entropy", "label_smoothing": 0.1})
    soft = 0.7 * torch.eye(4)[labels] + 0.3 * torch.eye(4)[partners]
    mixed = training_loss(loss, logits, labels, partners, share)
    assert float(mixed) == pytest.approx(float(loss(logits, soft)))
    assert float(training_loss(loss, logits, labels)) == pytest.approx(float(loss(logits, labels)))
