import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from artculture.models.checkpoint import read_checkpoint
from artculture.training import checkpoint_io, fit
from artculture.training.callbacks.divergence import DivergenceGuard
from artculture.training.callbacks.recorder import Recorder
from artculture.training.factory import make_classifier
from artculture.training.job import read_job
from artculture.training.run import train_run
from artculture.utils.io import file_sha256
from tests.conftest import AS_KEPT
from tests.unit.training.same_run import assert_same_run

Train = Callable[..., int]


def test_a_run_leaves_a_whole_directory(train: Train, only_run, read_json):
    assert train() == 0
    run = only_run()
    result = read_json(run / "result.json")
    assert run.name == "test_resnet-finetuned-plateau-pictures-weights=none-image_size=32-batch_size=8"
    assert read_json(run / "status.json")["state"] == "finished"
    assert list(pd.read_csv(run / "metrics.csv")["epoch"]) == [0, 1, 2]
    assert result["counts"] == {"train": 36, "val": 3, "test": 3}
    assert result["weights"] == "random"
    columns = {"object_id", "source", "culture", "artist", "sha256", "split"}
    assert set(pd.read_csv(run / "split.csv").columns) == columns
    assert (result["balance"], sum(result["class_counts"].values())) == ("none", 36)
    assert (run.parent / "results.csv").is_file()


@pytest.mark.parametrize("scheduler", [pytest.param("step", marks=pytest.mark.slow), "plateau"])
def test_more_epochs_continue_a_finished_run_as_if_asked_for_at_once(train: Train, tmp_path, read_json, scheduler):
    asked = [f"scheduler={scheduler}", "scheduler.k=1"]
    assert train(*asked, "study.name=whole", "trainer.max_epochs=2") == 0
    assert train(*asked, "study.name=longer", "trainer.max_epochs=1") == 0
    (whole,), (longer,) = (list(tmp_path.glob(f"outputs/{study}/test*")) for study in ("whole", "longer"))
    first = read_json(longer / "status.json")
    assert train(*asked, "study.name=longer", "trainer.max_epochs=2") == 0
    assert_same_run(whole, longer)
    assert read_json(longer / "result.json")["epochs"] == 2
    assert yaml.safe_load((longer / "config.yaml").read_text())["trainer"]["max_epochs"] == 2
    assert read_json(longer / "status.json")["wandb_id"] == first["wandb_id"]


def test_predictions_of_a_best_checkpoint_in_memory_are_those_of_its_file(train: Train, tmp_path, monkeypatch):
    assert train("study.name=read") == 0
    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 40)
    monkeypatch.setattr(fit, "read_checkpoint", None)
    assert train("study.name=kept") == 0
    read, kept = (next(tmp_path.glob(f"outputs/{study}/test*")) for study in ("read", "kept"))
    assert_same_run(read, kept)
    assert read_checkpoint(kept / "checkpoints/best.ckpt")["artculture"]["temperature"] > 0


def test_a_best_checkpoint_that_could_not_be_written_fails_the_run_that_has_it_in_memory(train: Train, monkeypatch):
    write = checkpoint_io.save_whole

    def save(content, path, kept=None):
        if path.name == "best.ckpt":
            raise OSError(28, "No space left on device", str(path))
        write(content, path, kept)

    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 40)
    monkeypatch.setattr(checkpoint_io, "save_whole", save)
    assert train("trainer.max_epochs=1") == 1


@pytest.mark.slow
def test_a_compiled_run_trains_alike_and_continues_exactly(train: Train, only_run, monkeypatch, tmp_path):
    compiled = ["trainer.compile=true", "trainer.precision=32"]
    assert train("trainer.precision=32", "study.name=eager") == 0
    assert train(*compiled, "study.name=compiled") == 0
    whole = next(tmp_path.glob("outputs/compiled/*/config.yaml")).parent
    losses = [pd.read_csv(run.parent / "metrics.csv")["train/loss"] for run in tmp_path.glob("outputs/*/*/metrics.csv")]
    assert losses[0].to_numpy() == pytest.approx(losses[1].to_numpy(), rel=1e-4)
    stopped = [*compiled, "study.name=stopped"]
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", _die_at_epoch(1))
        assert train(*stopped) == 1
    assert train(*stopped) == 0
    assert_same_run(whole, next(tmp_path.glob("outputs/stopped/*/config.yaml")).parent)


def test_the_backbone_is_compiled_where_asked(composed, monkeypatch):
    asked: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **_: asked.append(module))
    make_classifier(composed(), ("a", "b"))
    assert asked == []
    module = make_classifier(composed("trainer.compile=true"), ("a", "b"))
    assert asked == [module.network.backbone]


def test_compiling_without_a_compiler_is_refused_before(train: Train, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda *_: None)
    assert train("trainer.compile=true") == 2
    assert "there is no C++ compiler: install g++" in capsys.readouterr().err


def test_predictions_hold_every_held_out_painting_once(run, read_json):
    predictions = pd.read_csv(run.predictions)
    result = read_json(run.result)
    chances = predictions[["p_blue", "p_green", "p_red"]]
    assert chances.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    assert predictions["object_id"].is_unique
    test = predictions[predictions["split"] == "test"]
    right = chances.loc[test.index].idxmax(axis=1).str.removeprefix("p_") == test["culture"]
    assert right.mean() == pytest.approx(result["test_top1"])


SCHEDULES = {
    # gamma and k small enough that the rate falls within the few epochs
    "step": ["scheduler=step", "scheduler.k=2", "method.head_lr=0.05"],
    "plateau": ["scheduler=plateau", "scheduler.k=1", "scheduler.gamma=0.5", "method.head_lr=0.2"],
    "cosine": ["scheduler=cosine", "method.head_lr=0.05"],
}
LORA = ["scheduler=cosine", "optimizer=adamw", "architecture.name=test_vit", "method.lora={rank:4}", "trainer.ema=0.9"]
MODERN = [
    *("scheduler=cosine", "optimizer=timm", "optimizer.opt=lamb", "optimizer.layer_decay=0.8"),
    *("optimizer.decay_norms_and_biases=false", "trainer.gradient_clip=1.0", "trainer.ema=0.9"),
    "method.unfreeze={last_stage:1,all:2}",
]


# Each schedule is also stopped within an epoch, below.
@pytest.mark.parametrize(
    ("stop_after", "schedule"),
    [(stop_after, schedule) for stop_after in (1, 4) for schedule in SCHEDULES],
)
@pytest.mark.slow
def test_resume_at_an_epochs_end_is_bit_exact(train, only_run, monkeypatch, tmp_path, schedule, stop_after):
    epochs = 9 if schedule == "plateau" else 6
    overrides = [f"trainer.max_epochs={epochs}", "head.dropout=0.3", *SCHEDULES[schedule]]
    assert train(*overrides, "study.name=undisturbed") == 0
    whole = only_run().parent / only_run().name
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", _die_at_epoch(stop_after))
        assert train(*overrides, "study.name=stopped") == 1
    assert train(*overrides, "study.name=stopped") == 0
    resumed = tmp_path / "outputs" / "stopped" / whole.name

    assert_same_run(whole, resumed)
    left = pd.read_csv(whole / "metrics.csv")
    assert left["lr/head"].nunique() > 1
    assert left["val/loss"].notna().all()


@pytest.mark.parametrize(
    ("schedule", "balance", "every", "stops"),
    [
        # 5 batches an epoch: after its first, in its middle, before and after its last
        pytest.param("step", "none", 1, [1, 3, 4, 5, 12], marks=pytest.mark.slow),
        # 4 batches an epoch
        ("modern", "balanced_sampler", 2, [7]),
        pytest.param("modern", "none", 2, [4, 7, 13], marks=pytest.mark.slow),
        pytest.param("lora", "none", 2, [7], marks=pytest.mark.slow),
        pytest.param("plateau", "logit_adjustment", 2, [8, 14], marks=pytest.mark.slow),
        pytest.param("cosine", "balanced_sampler", 3, [13, 13], marks=pytest.mark.slow),
    ],
)
def test_resume_within_an_epoch_is_bit_exact(train, monkeypatch, tmp_path, pictures, schedule, balance, every, stops):
    if balance != "none":
        for index in range(4, 14):
            (pictures / "red" / f"{index}.png").unlink()
    overrides = ["trainer.max_epochs=4", "head.dropout=0.3"]
    overrides += ["augment=modern", "architecture.drop_path=0.2"] if schedule == "modern" else ["augment=strong"]
    overrides += {**SCHEDULES, "modern": MODERN, "lora": LORA}[schedule]
    overrides += [f"balance={balance}", f"trainer.checkpoint_every_steps={every}"]
    assert train(*overrides, "study.name=undisturbed") == 0
    for stop in stops:
        with monkeypatch.context() as patch:
            patch.setattr(DivergenceGuard, "on_train_batch_start", _die_at_step(stop), raising=False)
            assert train(*overrides, "study.name=stopped") == 1
    assert train(*overrides, "study.name=stopped") == 0
    assert_same_run(
        *(next(tmp_path.glob(f"outputs/{name}/*/config.yaml")).parent for name in ("undisturbed", "stopped"))
    )


def test_what_is_validated_and_kept_as_the_best_is_the_average_of_the_weights(train, only_run):
    asked = ["trainer.ema=0.5", "trainer.max_epochs=2", "trainer.monitor=val/loss", "scheduler.gamma=0.99"]
    assert train(*asked, "method=transfer") == 0
    metrics = pd.read_csv(only_run() / "metrics.csv")
    last, best = (torch.load(only_run() / f"checkpoints/{name}.ckpt", weights_only=True) for name in ("last", "best"))
    average = last["callbacks"]["WeightEma"]["average"]
    assert all(key.startswith("head.") for key in average)  # the frozen backbone is not averaged
    assert metrics["val/loss"].idxmin() == 1  # the last epoch is the best
    for key, value in average.items():
        assert torch.equal(best["state_dict"][f"network.{key}"], value)
        assert not torch.equal(last["state_dict"][f"network.{key}"], value)


def _die_at_step(step: int):
    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == step:
            raise RuntimeError("the machine went down")

    return on_train_batch_start


def _die_at_epoch(epoch: int):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == epoch:
            raise RuntimeError("the machine went down")

    return on_train_epoch_start


def test_a_failed_run_says_why_and_is_retried(train, only_run, read_json, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", _die_at_epoch(1))
        assert train() == 1
    status = read_json(only_run() / "status.json")
    assert (status["state"], status["error"]) == ("failed", "the machine went down")
    assert "the machine went down" in capsys.readouterr().err
    assert train() == 0
    assert "error" not in read_json(only_run() / "status.json")


def test_a_finished_run_is_skipped(run, train):
    before = run.result.stat().st_mtime_ns
    assert train(*AS_KEPT) == 0
    assert run.result.stat().st_mtime_ns == before


def test_a_finished_run_on_other_pictures_is_not_taken_for_this_one(run, train, pictures, capsys):
    shutil.copy(pictures / "red" / "1.png", pictures / "red" / "one more.png")
    assert train(*AS_KEPT) == 2
    assert "the data changed since outputs/" in capsys.readouterr().err
    shutil.rmtree(pictures)
    assert train(*AS_KEPT) == 0  # gone pictures speak against nothing


def test_never_starts_over(run, train):
    before = run.last.stat().st_mtime_ns
    assert train(*AS_KEPT, "resume=never") == 0
    assert run.last.stat().st_mtime_ns != before
    assert len(pd.read_csv(run.metrics)) == 1


def test_must_insists_on_a_checkpoint(train, capsys):
    assert train("resume=must") == 2
    assert "no checkpoint" in capsys.readouterr().err


def test_a_changed_config_is_refused_with_the_difference(run, train, capsys):
    stored = yaml.safe_load(run.config.read_text())
    stored["optimizer"]["momentum"] = 0.5
    run.config.write_text(yaml.safe_dump(stored))
    assert train(*AS_KEPT) == 2
    message = capsys.readouterr().err
    assert "optimizer.momentum: 0.5 there, 0.9 now" in message
    assert "resume=never" in message


def test_changed_data_is_refused(train, only_run, pictures, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", _die_at_epoch(1))
        train()
    (pictures / "red" / "3.png").unlink()
    assert train() == 2
    assert "the data changed" in capsys.readouterr().err


def test_a_checkpoint_of_other_classes_is_refused(run, train, capsys):
    assert train("study.name=two", "data.cultures=[red,blue]", f"resume='{run.last}'") == 2
    message = capsys.readouterr().err
    assert str(run.last) in message
    assert "3 classes (blue, green, red)" in message


SLOWER = ["method.head_lr=0.03", "method.backbone_lr=0.02", "optimizer.momentum=0.5", "optimizer.weight_decay=0.01"]


@pytest.mark.slow
def test_a_run_from_another_s_checkpoint_uses_its_own_values_and_resumes_exactly(
    train, only_run, tmp_path, monkeypatch, read_json
):
    step = ["scheduler=step", "scheduler.k=1", "scheduler.gamma=0.5"]
    assert train("trainer.max_epochs=2", "study.name=two", "method.head_lr=0.1", "trainer.early_stopping=1", *step) == 0
    checkpoint = only_run() / "checkpoints/last.ckpt"
    values = [*step[:2], "scheduler.gamma=0.1", *SLOWER, "trainer.max_epochs=4", "trainer.early_stopping=30"]
    values.append(f"resume='{checkpoint}'")
    assert train(*values, "study.name=four") == 0
    run = next(tmp_path.glob("outputs/four/*/config.yaml")).parent
    metrics = pd.read_csv(run / "metrics.csv")
    assert list(metrics["epoch"]) == [2, 3]
    assert metrics["lr/head"].to_numpy() == pytest.approx([0.03 * 0.1**2, 0.03 * 0.1**3])
    assert metrics["lr/backbone"].to_numpy() == pytest.approx([0.02 * 0.1**2, 0.02 * 0.1**3])
    (group, _) = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]["param_groups"]
    assert (group["momentum"], group["weight_decay"], group["initial_lr"]) == (0.5, 0.01, 0.03)
    origin = read_json(run / "result.json")["origin"]
    assert (origin["path"], origin["epoch"]) == (str(checkpoint), 2)
    assert origin["sha256"] == file_sha256(checkpoint)
    assert origin["changed"]["method.head_lr"] == [0.1, 0.03]

    stops = {2: values, 3: values[:-1]}  # before its first own checkpoint, and after it
    for epoch, again in stops.items():
        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "on_train_epoch_start", _die_at_epoch(epoch))
            assert train(*again, "study.name=stopped") == 1
    assert train(*values, "study.name=stopped") == 0
    resumed = next(tmp_path.glob("outputs/stopped/*/config.yaml")).parent
    assert_same_run(run, resumed)
    assert read_json(resumed / "result.json")["origin"] == origin


@pytest.mark.slow
def test_going_on_from_another_run_s_checkpoint_changes_nothing_by_itself(train, only_run, tmp_path):
    step = ["scheduler=step", "scheduler.k=1", "scheduler.gamma=0.7", "head.dropout=0.3"]
    assert train("trainer.max_epochs=1", "study.name=one", *step) == 0
    checkpoint = only_run() / "checkpoints/last.ckpt"
    assert train("trainer.max_epochs=2", "study.name=whole", *step) == 0
    assert train("trainer.max_epochs=2", "study.name=parts", f"resume='{checkpoint}'", *step) == 0
    whole, parts = (
        torch.load(next(tmp_path.glob(f"outputs/{name}/*/checkpoints/last.ckpt")), weights_only=True)
        for name in ("whole", "parts")
    )
    assert all(torch.equal(value, parts["state_dict"][key]) for key, value in whole["state_dict"].items())
    assert whole["optimizer_states"][0]["param_groups"] == parts["optimizer_states"][0]["param_groups"]


def test_a_checkpoint_that_was_trained_on_test_paintings_is_refused(train, only_run, capsys):
    train("trainer.max_epochs=1")
    checkpoint = only_run() / "checkpoints/last.ckpt"
    capsys.readouterr()
    refusals = {"seed=1": "seed: 0 there, 1 now", "data.split_seed=1": "data.split_seed: 0 there, 1 now"}
    for asked, refusal in refusals.items():
        for plan in ("false", "true"):
            assert train(asked, f"plan={plan}", "study.name=other", f"resume='{checkpoint}'") == 2
            assert refusal in capsys.readouterr().err
    assert only_run() == checkpoint.parents[1]  # nothing was begun


def test_a_study_from_a_checkpoint_of_other_pictures_is_refused_before_any_row(train, only_run, pictures, capsys):
    train("trainer.max_epochs=1")
    checkpoint = only_run() / "checkpoints/last.ckpt"
    (pictures / "red" / "3.png").unlink()
    capsys.readouterr()
    assert train("-m", "method.head_lr=0.1,0.2", "study.name=other", f"resume='{checkpoint}'") == 2
    assert f"{checkpoint} was trained on 36 paintings, of which " in capsys.readouterr().err


def test_a_run_may_start_from_a_whole_classifier_and_says_which_held_out_paintings_it_knows(
    run, train, tmp_path, read_json, caplog
):
    first = run.best
    slow = ["method.head_lr=1e-9", "method.backbone_lr=1e-9", "trainer.max_epochs=1", "trainer.precision=32"]
    asked = [*slow, "data.fractions=[0.4,0.3,0.3]", f"architecture.weights='{first}'", "method.head=checkpoint"]

    def result(study):
        return read_json(next(tmp_path.glob(f"outputs/{study}/*/result.json")))

    assert train(*asked, "study.name=same") == 0
    heads = [
        {key: value for key, value in torch.load(path, weights_only=True)["state_dict"].items() if ".head." in key}
        for path in (first, next(tmp_path.glob("outputs/same/*/checkpoints/best.ckpt")))
    ]
    assert all(torch.allclose(value, heads[1][key], atol=1e-6) for key, value in heads[0].items())
    assert result("same")["weights"].endswith("with its head")
    assert result("same")["weights_trained_on"] == {"path": str(first), "val": 0, "test": 0}
    assert "TOO HIGH" not in caplog.text
    assert train(*asked, "study.name=other", "seed=1") == 0
    known = result("other")["weights_trained_on"]
    assert known["test"] > 0
    assert result("other")["weights"].endswith(f"trained on {known['test']} of 12 test paintings")
    assert "TOO HIGH" in caplog.text


def test_a_head_of_other_classes_or_layers_is_refused(run, train, capsys):
    asked = [f"architecture.weights='{run.best}'", "method.head=checkpoint"]
    for change, says in {
        "data.cultures=[red,blue]": "was trained for 3 classes",
        "head=linear": "another head",
    }.items():
        assert train(*asked, change, "study.name=second") == 2
        assert says in capsys.readouterr().err


def test_a_checkpoint_of_another_method_is_refused_with_what_to_do(run, train, capsys):
    assert train("study.name=second", "method=transfer", f"resume='{run.path}'") == 2
    message = capsys.readouterr().err
    assert "method.name: 'finetuned' there, 'transfer' now" in message
    assert "architecture.weights=" in message
    assert "Traceback" not in message


def test_an_unwritable_outputs_folder_is_named(train, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file, not a folder")
    assert train(f"study.root={tmp_path / 'taken'}") == 2
    assert "study.root=" in capsys.readouterr().err


@pytest.mark.parametrize(
    "method", [pytest.param("method=transfer", marks=pytest.mark.slow), "method.unfreeze={last_stage:1}"]
)
def test_the_head_alone_changes(train, only_run, method):
    train(method, "trainer.max_epochs=1", "study.name=one")
    first = torch.load(only_run() / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    train(method, "trainer.max_epochs=1", "study.name=one", "resume=never", "seed=0", "method.head_lr=0.3")
    changed = [p for p in Path("outputs/one").glob("*/checkpoints/last.ckpt") if "head_lr" in str(p)]
    second = torch.load(changed[0], weights_only=True)["state_dict"]
    assert {key for key in first if not torch.equal(first[key], second[key])} == {
        key for key in first if key.startswith("network.head")
    }


@pytest.mark.slow
def test_cached_features_train_the_head_that_recomputed_ones_do(train, only_run, tmp_path):
    usual = ["method=transfer", "trainer.precision=32"]
    train(*usual, "method.views=3", "study.name=cached")
    train(*usual, "method.features=recompute", "study.name=recomputed")
    cached, recomputed = (
        pd.read_csv(next(tmp_path.glob(f"outputs/{name}/*/predictions.csv"))) for name in ("cached", "recomputed")
    )
    # The same pictures in other batches: their features differ by rounding alone.
    pd.testing.assert_frame_equal(cached, recomputed, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_cached_features_resume_bit_exactly(train, tmp_path, monkeypatch):
    assert train("method=transfer", "study.name=undisturbed") == 0
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", _die_at_epoch(2))
        assert train("method=transfer", "study.name=stopped") == 1
    assert train("method=transfer", "study.name=stopped") == 0
    assert_same_run(
        *(next(tmp_path.glob(f"outputs/{name}/*/config.yaml")).parent for name in ("undisturbed", "stopped"))
    )


STOPS_EARLY = ["trainer.max_epochs=30", "method.head_lr=1e-8", "method.backbone_lr=1e-8"]


def test_a_training_stops_early(train, only_run, read_json):
    assert train(*STOPS_EARLY, "trainer.early_stopping=1") == 0
    assert read_json(only_run() / "result.json")["epochs"] < 10


@pytest.mark.slow
def test_a_training_that_stopped_early_stays_stopped(train, tmp_path, monkeypatch):
    def die(*_):
        raise RuntimeError("the machine went down")

    overrides = [*STOPS_EARLY, "trainer.early_stopping=2"]
    assert train(*overrides, "study.name=undisturbed") == 0
    with monkeypatch.context() as patch:
        patch.setattr("artculture.training.fit._predict_best", die)
        assert train(*overrides, "study.name=stopped") == 1
    assert train(*overrides, "study.name=stopped") == 0
    runs = [next(tmp_path.glob(f"outputs/{name}/*/config.yaml")).parent for name in ("undisturbed", "stopped")]
    assert_same_run(*runs)
    (epochs,) = {json.loads((run / "result.json").read_text())["epochs"] for run in runs}
    assert epochs < 10


def test_a_run_that_another_process_has_finished_meanwhile_is_skipped(run):
    job = read_job(run)
    trainer = job.config.trainer.model_copy(update={"precision": "auto", "channels_last": "auto"})
    composed_before = replace(job, config=job.config.model_copy(update={"trainer": trainer}))
    assert train_run(composed_before, run).action == "skip"
