import json
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ReduceLROnPlateau

import artculture

PLATEAU = {"name": "plateau", "gamma": 0.5, "k": 1}


def changed(module, before):
    return {key for key, value in module.state_dict().items() if not torch.equal(value, before[key])}


def snapshot(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def backbone_and_head(module):
    keys = set(module.state_dict())
    return {k for k in keys if "backbone" in k}, {k for k in keys if "head" in k}


@pytest.mark.parametrize(("architecture", "size"), [("test_resnet", 32), ("test_vit", 32), ("test_vit", None)])
def test_bytes_in_logits_out(make, architecture, size):
    module = make(backbone=architecture, image_size=size).eval()
    side = size or 160
    logits = module(torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8))
    assert (logits.dtype, logits.shape) == (torch.float32, (2, 3))
    assert module.preprocessing.image_size == side


def test_bytes_are_normalised_as_the_weights_expect(make, batches):
    module = make().eval()
    pictures = next(iter(batches))[0]
    # test_resnet's mean and std are 0.5
    assert torch.allclose(module(pictures), module((pictures / 255 - 0.5) / 0.5), atol=1e-5)


def test_channels_last_changes_no_prediction(make, batches):
    plain, other = make().eval(), make(channels_last=True).eval()
    other.load_state_dict(plain.state_dict())
    other.setup("fit")
    assert other.network.backbone.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(plain(next(iter(batches))[0]), other(next(iter(batches))[0]))


def test_hyperparameters_are_plain_values(make):
    module = make()
    assert json.loads(json.dumps(dict(module.hparams)))["head"]["hidden"] == [16, 8]


@pytest.mark.filterwarnings("ignore:.*module.s. in eval mode at the start of training")
def test_transfer_changes_no_parameter_and_no_buffer_of_the_backbone(make, fit):
    module = make(method="transfer")
    module.start_from("none")
    before = snapshot(module)
    fit(module, epochs=3)
    backbone, head = backbone_and_head(module)
    assert changed(module, before) == head
    assert any("running_mean" in key for key in backbone)


@pytest.mark.filterwarnings("ignore:.*module.s. in eval mode at the start of training")
def test_transfer_gives_the_optimiser_the_head_alone(make, fit):
    module = make(method="transfer")
    module.start_from("none")
    trainer = fit(module, epochs=1)
    (group,) = trainer.optimizers[0].param_groups
    assert group["name"] == "head"
    assert {id(p) for p in group["params"]} == {id(p) for p in module.network.head.parameters()}


@pytest.mark.filterwarnings("ignore:.*module.s. in eval mode at the start of training")
def test_transfer_trains_layers_that_got_no_weights_at_the_head_s_rate(make, fit):
    module = make(method="transfer", head_lr=0.1, backbone_lr=0.0)
    said = {"weights": "file", "pretrained": True, "imagenet": False, "untouched": ["layer4.0.conv2"]}
    module.restart_from({"artculture": said})
    before = snapshot(module)
    trainer = fit(module, epochs=1)
    _, head = backbone_and_head(module)
    assert changed(module, before) == head | {"network.backbone.layer4.0.conv2.weight"}
    assert [group["lr"] for group in trainer.optimizers[0].param_groups] == [0.1, 0.1]


@pytest.mark.parametrize("method", ["finetuned", "scratch"])
def test_the_other_methods_change_everything(make, fit, method):
    module = make(method=method)
    module.start_from("none")
    before = snapshot(module)
    fit(module)
    assert changed(module, before) == set(module.state_dict())


def test_scratch_looks_at_no_weights(make):
    module = make(method="scratch")
    start = module.start_from("/nowhere.pth")
    assert (start.label, start.pretrained) == ("random", False)


def test_head_and_backbone_have_their_own_rates(make, fit):
    sgd = {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.003}
    trainer = fit(make(head_lr=0.04, backbone_lr=0.01, optimizer=sgd), epochs=1)
    optimizer = trainer.optimizers[0]
    assert isinstance(optimizer, torch.optim.SGD)
    assert {group["name"]: group["lr"] for group in optimizer.param_groups} == {"head": 0.04, "backbone": 0.01}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.003}
    assert {(group["momentum"], group["nesterov"]) for group in optimizer.param_groups} == {(0.9, True)}


def test_adamw_takes_its_own_values(make):
    section = {"name": "adamw", "betas": [0.8, 0.95], "eps": 1e-7, "weight_decay": 0.05}
    optimizer = make(optimizer=section, head_lr=1e-3, backbone_lr=1e-4).make_optimizer()
    assert isinstance(optimizer, torch.optim.AdamW)
    found = [(group["name"], group["lr"], group["betas"], group["weight_decay"]) for group in optimizer.param_groups]
    assert found == [("head", 1e-3, (0.8, 0.95), 0.05), ("backbone", 1e-4, (0.8, 0.95), 0.05)]


def test_it_learns(make, fit, batches):
    module = make(scheduler={"name": "cosine", "warmup_epochs": 1, "floor": 0.0})
    trainer = fit(module, epochs=12)
    assert float(trainer.callback_metrics["train/loss"]) < 0.2
    assert float(trainer.callback_metrics["val/top1"]) > 0.9


def test_validation_is_counted_over_all_pictures_not_over_batches(make, fit, held_out):
    module = make(label_smoothing=0.3)
    metrics = fit(module, epochs=1).callback_metrics
    module.eval()
    # judged as they were: before the last epoch's end nothing changes the weights
    logits = torch.cat([module(pictures) for pictures, _, _ in held_out]).detach()
    labels = torch.cat([labels for _, labels, _ in held_out])
    right = logits.argmax(dim=1) == labels
    assert float(metrics["val/loss"]) == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-5)
    assert float(metrics["val/top1"]) == pytest.approx(float(right.float().mean()))
    assert float(metrics["val/top3"]) == 1


def test_label_smoothing_is_of_the_training_loss_alone(make):
    module = make(label_smoothing=0.2)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    assert torch.equal(module.train_loss(logits, labels), cross_entropy(logits, labels, label_smoothing=0.2))
    assert torch.equal(module.eval_loss(logits, labels), cross_entropy(logits, labels))


class Rates(Callback):
    def __init__(self):
        self.rates, self.losses = [], []

    def on_train_epoch_start(self, trainer, pl_module):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_validation_end(self, trainer, pl_module):
        self.losses.append(float(trainer.callback_metrics["val/loss"]))


def test_step_moves_once_an_epoch(make, fit):
    watch = Rates()
    fit(make(scheduler={"name": "step", "gamma": 0.1, "k": 2}), epochs=5, callbacks=[watch])
    assert watch.rates == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005])


def test_plateau_follows_the_validation_loss(make, fit):
    watch = Rates()
    # so large a rate that the loss goes up now and then
    fit(make(scheduler=PLATEAU, head_lr=0.5, backbone_lr=0.5), epochs=8, callbacks=[watch])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    reference, expected = ReduceLROnPlateau(optimizer, factor=0.5, patience=1), []
    for loss in watch.losses:
        expected.append(optimizer.param_groups[0]["lr"])
        reference.step(loss)
    assert watch.rates == expected
    assert len(set(expected)) > 1


def test_cosine_ends_at_the_floor(make, fit):
    watch = Rates()
    trainer = fit(make(scheduler={"name": "cosine", "warmup_epochs": 1, "floor": 0.1}), epochs=4, callbacks=[watch])
    assert watch.rates[0] == pytest.approx(0.05 / 4)  # three steps an epoch: the first of warmup + 1
    assert watch.rates[1] == pytest.approx(0.05)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.005)


def test_the_schedule_s_state_is_in_the_checkpoint(make, fit, tmp_path):
    watch = Rates()
    fit(make(scheduler=PLATEAU), epochs=3, callbacks=[watch]).save_checkpoint(tmp_path / "a.ckpt")
    (state,) = torch.load(tmp_path / "a.ckpt", weights_only=True)["lr_schedulers"]
    # of all three epochs: the last one's step is in it too
    assert state["last_epoch"] == 3
    assert state["best"] == pytest.approx(min(watch.losses))


def test_prediction_gives_logits_in_float32_and_rows(make, held_out):
    module = make().eval()
    batch = next(iter(held_out))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits, rows = module.predict_step(batch, 0)
        half = module(batch[0])
    with torch.no_grad():
        assert torch.equal(logits, module(batch[0]))
    assert not torch.equal(logits, half)
    assert rows.tolist() == list(range(9))


def test_a_trainer_may_be_limited_by_steps(make, fit):
    trainer = fit(make(scheduler={"name": "cosine", "warmup_epochs": 0, "floor": 0.1}), epochs=-1, max_steps=7)
    assert trainer.global_step == 7


def test_it_is_tested_and_fitted_again_by_any_trainer(make, fit, held_out):
    module = make()
    trainer = fit(module, epochs=1)
    trainer.validate(module, held_out, verbose=False)
    (metrics,) = trainer.test(module, held_out, verbose=False)
    assert set(metrics) == {"test/loss", "test/top1", "test/top3", "test/macro_f1", "test/macro_recall"}
    fit(module, epochs=1)


def test_lightning_loads_it_from_a_checkpoint_with_its_temperature(make, fit, tmp_path):
    module = make()
    module.temperature = 1.7
    fit(module, epochs=1).save_checkpoint(tmp_path / "a.ckpt")
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    for load in (partial(type(module).load_from_checkpoint, weights_only=True), artculture.load_classifier):
        loaded = load(tmp_path / "a.ckpt")
        assert loaded.temperature == 1.7
        torch.testing.assert_close(loaded.eval()(images), module.eval()(images))


def test_gradients_are_clipped_in_mixed_precision(make, fit):
    adamw = {"name": "adamw", "weight_decay": 0.05, "betas": [0.9, 0.999], "eps": 1e-8, "layer_decay": 1.0}
    module = make(optimizer=adamw)
    before = snapshot(module)
    fit(module, precision="bf16-mixed", gradient_clip_val=1.0)
    assert changed(module, before)
