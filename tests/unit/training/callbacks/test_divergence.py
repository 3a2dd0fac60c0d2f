import math

import pytest
import torch

from artculture.training.callbacks.divergence import BadLoss, LossWatch


def watched(*losses):
    watch = LossWatch(100.0)
    for step, loss in enumerate(losses):
        watch.see(torch.tensor(loss), step)
    return watch.found()


def test_sound_losses_pass():
    assert LossWatch(100.0).found() is None
    assert watched(2.4, 99.9, 0.0) is None


@pytest.mark.parametrize(("bad", "then"), [(math.inf, 1.0), (101.0, math.nan)])
def test_the_first_bad_loss_is_remembered(bad, then):
    assert watched(2.4, bad, then, 1.0) == BadLoss(1, bad)


def test_not_a_number_is_bad():
    found = watched(2.4, 2.3, math.nan, 1.0)
    assert found.step == 2
    assert math.isnan(found.loss)
