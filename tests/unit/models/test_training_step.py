"""When a step is replayed as a graph, with a stand-in for the graph that runs on a CPU."""

from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from artculture.models import training_step


class Stand:
    """A captured step that launches."""

    def __init__(self, network, loss_of, given, labels):
        self.network, self.loss_of, self.given = network, loss_of, given

    @property
    def pictures(self):
        return len(self.given)

    def fits(self, given):
        return given.shape == self.given.shape

    def replay(self, given, labels):
        self.network.zero_grad()
        loss, logits = self.loss_of(given, labels)
        loss.backward()
        return loss.detach(), logits.detach()


class Steps(Callback):
    def __init__(self):
        self.replayed, self.losses = [], []

    def on_train_batch_end(self, trainer, module, outputs, *_):
        self.replayed.append(module._replayed)
        self.losses.append(outputs["loss"].item())


@pytest.fixture
def trained(make, fit, monkeypatch):
    """Losses and weights, and which steps were replayed."""
    monkeypatch.setattr(training_step, "_on_gpu", lambda _: True)
    monkeypatch.setattr(training_step, "CapturedStep", Stand)

    def train(*, captures=True, prepare=lambda _: None, **trainer):
        torch.manual_seed(0)
        module = make(dropout=0.5)
        module.captures = captures
        prepare(module)
        steps = Steps()
        fit(module, callbacks=[steps], **trainer)
        return steps, module

    return train


def full_beside_a_graph(when, module):
    """Let memory run out in the module's forward passes of some kind, while there is a graph."""
    run = module.forward

    def forward(given):
        if module._captured is not None and when(module.training, len(given)):
            raise torch.OutOfMemoryError("full")
        return run(given)

    module.forward = forward


def same(one, other):
    left, right = one.state_dict(), other.state_dict()
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("more", [{}, {"gradient_clip_val": 1e-2}, {"precision": "bf16-mixed"}])
def test_replayed_steps_are_the_steps(trained, more):
    plain, launched = trained(captures=False, **more)
    steps, module = trained(**more)
    # Batches of 8, 8 and 6; the first step of all makes the optimiser's memory.
    assert steps.replayed == [False, True, False, True, True, False]
    assert not any(plain.replayed)
    assert steps.losses == plain.losses
    assert same(module, launched)
    assert module._captured is None


def test_memory_that_runs_out_beside_a_graph_is_the_graph_s(trained, caplog):
    plain, launched = trained(captures=False)

    # The epoch's small last batch.
    steps, module = trained(prepare=partial(full_beside_a_graph, lambda training, pictures: training and pictures == 6))
    assert steps.replayed == [False, True, False, False, False, False]
    assert module.parts.largest is None
    assert steps.losses == plain.losses
    assert same(module, launched)
    assert "beside the graph" in caplog.text


def test_an_evaluation_that_does_not_fit_beside_a_graph_takes_its_memory(trained):
    steps, module = trained(prepare=partial(full_beside_a_graph, lambda training, _: not training))
    assert steps.replayed == [False, True, False, False, False, False]
    assert module.eval_parts.largest is None


def test_a_batch_in_parts_is_not_captured(trained):
    def halved(module):
        module.parts.largest = 7

    steps, _ = trained(prepare=halved)
    assert not any(steps.replayed)


def test_what_can_t_be_captured_is_launched_and_told_once(trained, monkeypatch, caplog):
    def refused(*_):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(training_step, "CapturedStep", refused)
    steps, _ = trained()
    assert not any(steps.replayed)
    assert caplog.text.count("operation not permitted") == 1
