"""Steps replayed as CUDA graphs: the numbers of steps whose kernels are launched one by one."""

import logging

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from artculture.training.acceleration.step_execution import ExactSingleDevice
from artculture.training.callbacks.divergence import BadLoss, LossWatch
from tests.unit.training.acceleration.test_step_execution import Steps

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def trained(make, fit, precision, *, use_graphs, **changes):
    torch.manual_seed(0)
    module = make(dropout=0.5, **changes)
    module.start_from("none")
    steps, strategy = Steps(), ExactSingleDevice("cuda:0", use_graphs=use_graphs)
    given = {"accelerator": "gpu", "strategy": strategy, "precision": precision, "deterministic": True}
    trainer = fit(module, **given, callbacks=[steps])
    numbers = {name: value.cpu() for name, value in module.state_dict().items()}
    return steps, numbers, {name: float(value) for name, value in trainer.callback_metrics.items()}


@pytest.mark.parametrize("method", ["finetuned", "transfer"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_replayed_step_has_the_numbers_of_a_launched_one(make, fit, precision, method):
    launched, numbers, metrics = trained(make, fit, precision, use_graphs=False, method=method)
    replayed, same, same_metrics = trained(make, fit, precision, use_graphs=True, method=method)
    # 22 pictures in batches of 8: each epoch's last batch is smaller. The first step makes the optimiser's memory.
    assert replayed.replayed == [False, True, False, True, True, False]
    assert launched.replayed == [False] * 6
    assert replayed.losses == launched.losses
    assert all(torch.equal(same[name], numbers[name]) for name in numbers)
    assert same_metrics == metrics


def test_clipped_gradients_are_clipped_before_each_step(make, fit):
    runs = []
    for use_graphs in (False, True):
        torch.manual_seed(0)
        module, strategy = make(head_lr=1.0, backbone_lr=1.0), ExactSingleDevice("cuda:0", use_graphs=use_graphs)
        given = {"accelerator": "gpu", "strategy": strategy, "precision": "32-true", "deterministic": True}
        fit(module, **given, gradient_clip_val=1e-3)
        runs.append(module.state_dict())
    assert all(torch.equal(runs[0][name].cpu(), runs[1][name].cpu()) for name in runs[0])


class Waiting(nn.Module):
    """Asks the device for a number, which no graph can do."""

    def forward(self, x):
        return x * (1.0 if x.sum().item() > -1e9 else 2.0)


def test_what_can_t_be_captured_is_launched(make, fit, caplog):
    runs = []
    for use_graphs in (False, True):
        torch.manual_seed(0)
        module = make(dropout=0.5)
        module.network.backbone.stem = nn.Sequential(Waiting(), module.network.backbone.conv1)
        module.network.backbone.conv1 = module.network.backbone.stem
        steps, strategy = Steps(), ExactSingleDevice("cuda:0", use_graphs=use_graphs)
        given = {"accelerator": "gpu", "strategy": strategy, "precision": "32-true", "deterministic": True}
        with caplog.at_level(logging.WARNING):
            fit(module, **given, callbacks=[steps])
        assert not any(steps.replayed)
        runs.append(steps.losses)
    assert runs[0] == runs[1]
    assert "launched one by one" in caplog.text


class NoWaiting(Callback):
    """An error where the host waits for the device between an epoch's second step and its last but one."""

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        torch.cuda.set_sync_debug_mode("error" if 1 <= index < trainer.num_training_batches - 2 else "default")


def test_steps_do_not_wait_for_the_device(make, fit, batches):
    batches.dataset.extend(batches.dataset[:20] * 4)
    try:
        given = {"accelerator": "gpu", "strategy": ExactSingleDevice("cuda:0"), "precision": "bf16-mixed"}
        fit(make(dropout=0.1), **given, callbacks=[NoWaiting()])
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_bad_loss_is_found_one_look_later_without_waiting():
    watch = LossWatch(100.0)
    watch.see(torch.tensor(2.0, device="cuda"), 3)
    assert watch.found_before() is None
    watch.see(torch.tensor(101.0, device="cuda"), 4)
    assert watch.found_before() is None
    assert watch.found_before() == watch.found() == BadLoss(4, 101.0)
