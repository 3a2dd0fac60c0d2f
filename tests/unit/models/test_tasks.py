import copy

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from artculture.models.label_view import of_label
from artculture.models.losses import MeanLoss
from artculture.models.ordinal import ranked_probability_score
from artculture.models.tasks import Task, build_task_losses, temperatures_in
from artculture.utils.errors import InputError

PLAIN = {"name": "cross_entropy", "label_smoothing": 0.0}
NONE = {"name": "none"}
TASKS = (
    Task("culture", ("blue", "green", "red"), class_counts=(8, 7, 7)),
    Task("century", ("15th", "16th", "17th", "18th"), ordinal=True, class_counts=(4, 3, 2, 2), share=0.5),
    Task("medium", ("oil", "ink"), class_counts=(2, 1), share=0.25),
)


@pytest.fixture
def logits():
    return torch.randn(12, 9, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels():
    draw = torch.Generator().manual_seed(2)
    columns = [torch.randint(0, len(task.classes), (12,), generator=draw) for task in TASKS]
    columns[1][::2] = -1
    columns[2][3:] = -1
    return torch.stack(columns, dim=1)


def test_the_loss_is_the_sum_of_the_means_over_known_labels(logits, labels):
    loss = build_task_losses(PLAIN, NONE, TASKS)
    culture = cross_entropy(logits[:, :3], labels[:, 0])
    century = ranked_probability_score(logits[1::2, 3:7], labels[1::2, 1]).mean()
    medium = cross_entropy(logits[:3, 7:], labels[:3, 2])
    torch.testing.assert_close(loss(logits, labels), culture + century + medium)


@pytest.mark.parametrize("custom", [False, True])
def test_a_batch_can_be_divided_among_devices_one_without_any_label(logits, labels, custom):
    node = {"_target_": "torch.nn.CrossEntropyLoss"} if custom else PLAIN
    loss = build_task_losses(node, NONE, TASKS)
    head = nn.Linear(9, 9)

    def gradient(*parts):
        head.zero_grad()
        for part in parts:
            (loss(head(logits[part]), labels[part]) * len(logits[part]) / 12).backward()
        return head.weight.grad.clone()

    whole, parts = gradient(slice(0, 12)), (slice(0, 3), slice(3, 12))
    assert (labels[3:, 2] == -1).all()
    torch.testing.assert_close(gradient(*parts), whole)
    # Every head gets a gradient, if of zeros: a device without one would make the others wait.
    head.zero_grad()
    loss(head(logits[3:]), labels[3:]).backward()
    assert head.weight.grad[7:].eq(0).all()


@pytest.mark.parametrize("balance", [{"name": "class_weights", "beta": None}, {"name": "focal", "gamma": 2.0},
                                     {"name": "logit_adjustment", "tau": 1.0}])  # fmt: skip
def test_a_balance_is_of_each_label_s_own_counts(logits, labels, balance):
    losses = build_task_losses(PLAIN, balance, TASKS)
    alone = [build_task_losses(PLAIN, balance, [task]) for task in TASKS]
    parts = [logits[:, :3], logits[:, 3:7], logits[:, 7:]]
    means = [
        loss(scores[column >= 0], column[column >= 0])
        for loss, scores, column in zip(alone, parts, labels.unbind(1), strict=True)
    ]
    torch.testing.assert_close(losses(logits, labels), sum(means))


def test_the_ranked_probability_score_grows_with_the_distance():
    sure = torch.eye(5) * 50
    assert ranked_probability_score(sure, torch.zeros(5, dtype=torch.int64)).tolist() == pytest.approx(range(5))
    flat = ranked_probability_score(torch.zeros(1, 3), torch.tensor([1]))
    assert flat.item() == pytest.approx(2 / 9)
    assert ranked_probability_score(sure, torch.eye(5)).tolist() == pytest.approx([0] * 5)


def test_the_mean_loss_of_labels_weights_each_by_its_pictures():
    metric = MeanLoss(2)
    metric.update(torch.tensor([1.0, 4.0]), torch.tensor([10, 1]))
    metric.update(torch.tensor([2.0, 0.0]), torch.tensor([10, 0]))
    assert metric.compute().item() == 1.5 + 4.0


@pytest.fixture
def several(make):
    return make(tasks=[task.as_plain() for task in TASKS], head={"name": "linear", "dropout": 0.0}).eval()


def test_a_view_of_one_label_has_its_head_and_the_same_backbone(several):
    several.temperatures = [1.0, 2.0, 3.0]
    pictures = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    view = of_label(several, "century")
    assert (view.classes, view.temperature) == (TASKS[1].classes, 2.0)
    assert torch.equal(view(pictures), several(pictures)[:, 3:7])
    assert view.network.backbone is several.network.backbone
    assert several.classes == TASKS[0].classes
    with pytest.raises(InputError, match="label=centuri: did you mean"):
        of_label(several, "centuri")


def test_a_checkpoint_rebuilds_all_heads(several):
    content = {"artculture": {}}
    several.temperatures = [1.0, 2.0, 3.0]
    several.on_save_checkpoint(content)
    assert temperatures_in(content["artculture"]) == [1.0, 2.0, 3.0]
    again = type(several)(**copy.deepcopy(dict(several.hparams)))
    again.load_state_dict(several.state_dict())
    assert again.tasks == several.tasks


def test_batches_without_a_label_count_for_the_other_labels(several, labels, tmp_path):
    pictures = torch.randint(0, 256, (12, 3, 32, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    loader = DataLoader(TensorDataset(pictures, labels, torch.arange(12)), batch_size=3)  # a medium in the first alone
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = L.Trainer(accelerator="cpu", **quiet)
    (found,) = trainer.validate(several, loader, verbose=False)
    with torch.no_grad():
        logits = several(pictures).split([3, 4, 2], dim=1)
    right = [(scores.argmax(1) == truth)[truth >= 0] for scores, truth in zip(logits, labels.unbind(1), strict=True)]
    names = ["val/top1", "val/century/top1", "val/medium/top1"]
    assert [found[name] for name in names] == pytest.approx([float(each.float().mean()) for each in right])
    apart = (logits[1].argmax(1) - labels[:, 1])[labels[:, 1] >= 0].abs().float().mean()
    assert found["val/century/mae"] == pytest.approx(float(apart))
    losses = [
        cross_entropy(scores, truth, ignore_index=-1) for scores, truth in zip(logits, labels.unbind(1), strict=True)
    ]
    assert found["val/loss"] == pytest.approx(float(sum(losses)), rel=1e-5)
