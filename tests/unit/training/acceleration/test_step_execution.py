"""When a step is replayed as a graph or split, with a stand-in for the graph that runs on a CPU."""

import copy
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from artculture.training.acceleration import step_execution
from artculture.training.acceleration.step_execution import ExactSingleDevice
from artculture.utils.errors import WorkError


class Stand:
    """A captured step that launches."""

    def __init__(self, network, loss_of, pictures, labels):
        self.network, self.loss_of, self.given = network, loss_of, pictures

    @property
    def pictures(self):
        return len(self.given)

    def fits(self, pictures):
        return pictures.shape == self.given.shape

    def replay(self, pictures, labels):
        before = [parameter.grad for parameter in self.network.parameters()]
        self.network.zero_grad()
        loss, logits = self.loss_of(pictures, labels)
        loss.backward()
        self.gradients = [parameter.grad for parameter in self.network.parameters()]
        for parameter, gradient in zip(self.network.parameters(), before, strict=True):
            parameter.grad = gradient
        return loss.detach(), logits.detach()

    def assign_gradients(self):
        for parameter, gradient in zip(self.network.parameters(), self.gradients, strict=True):
            parameter.grad = gradient


class Steps(Callback):
    def __init__(self):
        self.replayed, self.losses = [], []

    def on_train_batch_end(self, trainer, module, outputs, *_):
        self.replayed.append(trainer.strategy.replayed)
        self.losses.append(outputs["mean_loss"].item())


@pytest.fixture
def trained(make, fit, monkeypatch):
    """Train with the stand-in; return the losses, which steps were replayed, the module and the strategy."""
    monkeypatch.setattr(step_execution, "_on_gpu", lambda _: True)
    monkeypatch.setattr(step_execution, "CapturedStep", Stand)

    def train(*, use_graphs=True, prepare=lambda *_: None, **trainer):
        torch.manual_seed(0)
        module, execution = make(dropout=0.5), ExactSingleDevice("cpu", use_graphs=use_graphs)
        prepare(module, execution)
        steps = Steps()
        fit(module, callbacks=[steps], strategy=execution, **trainer)
        return steps, module, execution

    return train


def full_next_to_a_graph(when, module, execution):
    """Let memory run out in the module's forward passes of some kind, while there is a graph."""
    run = module.forward

    def forward(given):
        if execution._graph is not None and when(module.training, len(given)):
            raise torch.OutOfMemoryError("full")
        return run(given)

    module.forward = forward


def same(one, other):
    left, right = one.state_dict(), other.state_dict()
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("more", [{}, {"gradient_clip_val": 1e-2}, {"precision": "bf16-mixed"}])
def test_replayed_steps_are_the_steps(trained, more):
    plain, launched, _ = trained(use_graphs=False, **more)
    steps, module, execution = trained(**more)
    # Batches of 8, 8 and 6; the first step of all allocates the optimizer's memory.
    assert steps.replayed == [False, True, False, True, True, False]
    assert not any(plain.replayed)
    assert steps.losses == plain.losses
    assert same(module, launched)
    assert execution._graph is None


@pytest.mark.slow
def test_memory_that_runs_out_next_to_a_graph_is_the_graphs(trained, caplog):
    plain, launched, _ = trained(use_graphs=False)
    # The epoch's small last batch.
    full = partial(full_next_to_a_graph, lambda training, pictures: training and pictures == 6)
    steps, module, execution = trained(prepare=full)
    assert steps.replayed == [False, True, False, False, False, False]
    assert execution.training_parts.largest is None
    assert steps.losses == plain.losses
    assert same(module, launched)
    assert "next to the graph" in caplog.text


@pytest.mark.slow
def test_an_evaluation_that_does_not_fit_next_to_a_graph_takes_its_memory(trained):
    steps, _, execution = trained(prepare=partial(full_next_to_a_graph, lambda training, _: not training))
    assert steps.replayed == [False, True, False, False, False, False]
    assert execution.evaluation_parts.largest is None


def test_a_split_batch_is_not_captured(trained):
    def halved(_, execution):
        execution.training_parts.largest = 7

    steps, *_ = trained(prepare=halved)
    assert not any(steps.replayed)


def test_what_cant_be_captured_is_launched_and_reported_once(trained, monkeypatch, caplog):
    def refused(*_):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(step_execution, "CapturedStep", refused)
    steps, *_ = trained()
    assert not any(steps.replayed)
    assert caplog.text.count("operation not permitted") == 1


def test_dropout_is_a_function_of_seed_and_step(make, fit):
    def trained(module, global_seed, seed=0):
        torch.manual_seed(global_seed)
        fit(module, strategy=ExactSingleDevice("cpu", seed=seed))
        return module.state_dict()

    start = make(dropout=0.5)
    one, other = (trained(copy.deepcopy(start), global_seed) for global_seed in (1, 2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    elsewhere = trained(copy.deepcopy(start), 1, seed=1)
    assert not torch.equal(elsewhere["network.head.1.weight"], one["network.head.1.weight"])


def full_above(module, limit, training):
    run = module.forward

    def forward(pictures):
        if module.training is training and len(pictures) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(pictures)

    module.forward = forward


def test_a_split_batch_gives_the_step_of_the_whole_batch(make, fit):
    # test_vit has no BatchNorm, whose statistics are those of a part
    whole, split = make(backbone="test_vit"), make(backbone="test_vit")
    split.load_state_dict(whole.state_dict())
    one = fit(whole, epochs=2, strategy=ExactSingleDevice("cpu")).callback_metrics
    full_above(split, 3, training=True)
    execution = ExactSingleDevice("cpu")
    other = fit(split, epochs=2, strategy=execution).callback_metrics
    assert execution.training_parts.largest is not None
    for key in ("train/loss", "train/top1"):
        assert float(one[key]) == pytest.approx(float(other[key]), rel=1e-4)
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(split.state_dict()[key], value, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_split_evaluation_counts_every_picture_once(make, fit):
    whole, split = make(), make()
    split.load_state_dict(whole.state_dict())
    one = fit(whole, epochs=1, strategy=ExactSingleDevice("cpu")).callback_metrics
    full_above(split, 4, training=False)
    execution = ExactSingleDevice("cpu")
    other = fit(split, epochs=1, strategy=execution).callback_metrics
    assert execution.evaluation_parts.largest is not None
    for key in ("val/loss", "val/top1", "val/macro_f1"):
        assert float(one[key]) == pytest.approx(float(other[key]), rel=1e-5)


def test_an_optimizer_that_does_not_fit_is_not_a_matter_of_batches(make, fit, monkeypatch):
    def step(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    module = make()
    plain = module.configure_optimizers

    def configured():
        found = plain()
        run = found["optimizer"].step
        found["optimizer"].step = lambda closure=None: (closure(), step())
        assert run is not None
        return found

    module.configure_optimizers = configured
    with pytest.raises(WorkError, match="no memory for the optimizer itself"):
        fit(module, epochs=1, strategy=ExactSingleDevice("cpu"))


def test_batches_are_not_split_by_choice(make, fit):
    module = make()
    full_above(module, 3, training=True)
    with pytest.raises(WorkError, match="out of memory with 8 training pictures at once"):
        fit(module, epochs=1, strategy=ExactSingleDevice("cpu", split_when_full=False))
