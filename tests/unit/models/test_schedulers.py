import math
from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from artculture.models.schedulers import build_scheduler, continue_with, depends_on_length, reductions, steps_each_batch


def optimizer(*rates):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=1)


def rates(optim, scheduler, steps, *metrics):
    """The first group's rate before each step, and after the last."""
    seen = []
    for step in range(steps):
        seen.append(optim.param_groups[0]["lr"])
        optim.step()
        scheduler.step(*(metric[step] for metric in metrics))
    return [*seen, optim.param_groups[0]["lr"]]


def test_step_divides_after_every_k_epochs():
    optim = optimizer(1.0)
    found = rates(optim, build_scheduler({"name": "step", "gamma": 0.1, "k": 3}, optim, 7, 9), 7)
    assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(("gamma", "k"), [(0.1, 10), (0.5, 1), (0.9, 4)])
def test_step_is_torch_s_own(gamma, k):
    ours, theirs = optimizer(0.02), optimizer(0.02)
    scheduler = build_scheduler({"name": "step", "gamma": gamma, "k": k}, ours, 5, 30)
    assert rates(ours, scheduler, 30) == rates(theirs, StepLR(theirs, k, gamma), 30)


LOSSES = [2.0, 1.5, 1.6, 1.7, 1.49, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6, 1.0, 1.1, 1.2, 1.3, 1.4]


def test_plateau_divides_once_k_epochs_brought_nothing_better():
    optim = optimizer(1.0)
    found = rates(optim, build_scheduler({"name": "plateau", "gamma": 0.5, "k": 2}, optim, 7, 9), 16, LOSSES)
    # the third epoch in a row that is no better than the best divides: epochs 7, 10 and 14
    assert found == [1] * 8 + [0.5] * 3 + [0.25] * 4 + [0.125] * 2


@pytest.mark.parametrize(("gamma", "k"), [(0.1, 4), (0.5, 1), (0.9, 3)])
def test_plateau_is_torch_s_own(gamma, k):
    ours, theirs = optimizer(0.02), optimizer(0.02)
    reference = ReduceLROnPlateau(theirs, factor=gamma, patience=k)
    scheduler = build_scheduler({"name": "plateau", "gamma": gamma, "k": k}, ours, 5, 30)
    assert rates(ours, scheduler, 16, LOSSES) == rates(theirs, reference, 16, LOSSES)


def test_cosine_rises_to_the_peak_and_falls_to_the_floor():
    optim = optimizer(1.0)
    found = rates(optim, build_scheduler({"name": "cosine", "warmup_epochs": 2, "floor": 0.1}, optim, 10, 12), 120)
    assert found[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert found[20] == 1
    assert found[70] == pytest.approx((1 + 0.1) / 2)
    assert found[120] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in pairwise(found[20:]))


def test_cosine_without_warm_up_is_torch_s_own():
    ours, theirs = optimizer(0.3), optimizer(0.3)
    scheduler = build_scheduler({"name": "cosine", "warmup_epochs": 0, "floor": 0.0}, ours, 6, 5)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, 30)
    assert rates(ours, scheduler, 30) == pytest.approx(rates(theirs, reference, 30), abs=1e-12)


def test_beyond_its_end_cosine_stays_at_the_floor():
    optim = optimizer(1.0)
    found = rates(optim, build_scheduler({"name": "cosine", "warmup_epochs": 1, "floor": 0.2}, optim, 2, 3), 20)
    assert found[6:] == pytest.approx([0.2] * 15)
    assert not any(math.isnan(rate) for rate in found)


@pytest.mark.parametrize(
    "schedule",
    [
        {"name": "step", "gamma": 0.1, "k": 1},
        {"name": "plateau", "gamma": 0.1, "k": 1},
        {"name": "cosine", "warmup_epochs": 1, "floor": 0.0},
    ],
)
def test_groups_keep_their_ratio(schedule):
    optim = optimizer(0.5, 0.05)
    rates(optim, build_scheduler(schedule, optim, 3, 9), 10, *([[1.0] * 10] if schedule["name"] == "plateau" else []))
    head, backbone = (group["lr"] for group in optim.param_groups)
    assert head / backbone == pytest.approx(10)
    assert head < 0.5


@pytest.mark.parametrize(("name", "by_step"), [("step", False), ("plateau", False), ("cosine", True)])
def test_only_cosine_moves_by_step(name, by_step):
    assert steps_each_batch({"name": name}) is by_step


ONE_CYCLE = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.1, "interval": "step"}


def test_a_scheduler_of_the_users_own_gets_the_length_of_the_training():
    assert steps_each_batch(ONE_CYCLE)
    made = build_scheduler(ONE_CYCLE, optimizer(1.0), steps_per_epoch=4, epochs=3)
    assert made.total_steps == 12
    decay = {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.5}
    assert not steps_each_batch(decay)
    optim = optimizer(1.0)
    assert rates(optim, build_scheduler(decay, optim, 4, 3), 2) == [1.0, 0.5, 0.25]


STEP, COSINE = {"name": "step", "gamma": 0.3, "k": 2}, {"name": "cosine", "warmup_epochs": 1, "floor": 0.1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (STEP, STEP),
        (STEP, {"name": "step", "gamma": 0.7, "k": 3}),
        (COSINE, {"name": "cosine", "warmup_epochs": 2, "floor": 0.0}),
    ],
)
def test_other_constants_count_as_if_they_had_been_there_from_the_start(before, after):
    whole = optimizer(0.07, 0.3)
    expected = rates(whole, build_scheduler(after, whole, 4, 10), 12)
    earlier, optim = optimizer(0.5, 0.6), optimizer(0.07, 0.3)
    stopped, scheduler = build_scheduler(before, earlier, 3, 5), build_scheduler(after, optim, 4, 10)
    rates(earlier, stopped, 7)
    optim.load_state_dict(earlier.state_dict())
    scheduler.load_state_dict(stopped.state_dict())
    continue_with(after, scheduler, [0.07, 0.3], step=7, reduced=0)
    assert rates(optim, scheduler, 5) == expected[7:]
    assert [group["lr"] for group in optim.param_groups] == [group["lr"] for group in whole.param_groups]
    assert scheduler.get_last_lr() == [group["lr"] for group in whole.param_groups]


@pytest.mark.parametrize(("rate", "gamma"), [(1.0, 0.5), (2.0, 0.1)])
def test_plateau_keeps_its_number_of_reductions(rate, gamma):
    before, after = {"name": "plateau", "gamma": 0.5, "k": 2}, {"name": "plateau", "gamma": gamma, "k": 5}
    optim = optimizer(1.0)
    scheduler = build_scheduler(before, optim, 1, 1)
    rates(optim, scheduler, 12, LOSSES)
    assert reductions(before, 1.0, optim.param_groups[0]["lr"]) == 2
    continue_with(after, scheduler, [rate], step=0, reduced=2)
    assert optim.param_groups[0]["lr"] == rate * gamma * gamma
    assert (scheduler.factor, scheduler.patience) == (gamma, 5)


@pytest.mark.parametrize(
    ("node", "depends"),
    [
        ({"name": "step", "gamma": 0.1, "k": 2}, False),
        ({"name": "plateau", "gamma": 0.1, "k": 2}, False),
        ({"name": "cosine", "warmup_epochs": 1, "floor": 0.0}, True),
        ({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.1, "interval": "step"}, True),
        ({"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 9}, False),
    ],
)
def test_a_schedule_over_the_whole_length_is_recognised(node, depends):
    assert depends_on_length(node) is depends
