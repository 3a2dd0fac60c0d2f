"""Every option that ships, run through the real command with a stub backbone."""

import pandas as pd
import pytest
import timm

from artculture import cli
from artculture.config.validation import config_folder, group_options
from artculture.data.transforms import Preprocessing
from artculture.models import backbones
from artculture.models.backbones import Backbone

OPTIONS = group_options([config_folder()])
STUB_SIZE = Preprocessing(32, 36, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def _stub_backbones(monkeypatch: pytest.MonkeyPatch) -> None:
    def stub(*_: object) -> Backbone:
        module = timm.create_model("test_resnet", num_classes=0)
        return Backbone(module, module.num_features, "fc", STUB_SIZE)

    for module in ("classifier", "weights.backbones", "image_sizes"):
        monkeypatch.setattr(f"artculture.models.{module}.make_backbone", stub)
    monkeypatch.setattr(backbones, "preprocessing_of", lambda *_: STUB_SIZE)
    monkeypatch.setattr("artculture.training.factory.preprocessing_of", lambda *_: STUB_SIZE)


# Classes of other packages in place of each built-in part.
OWN = (
    "architecture=custom",
    "architecture.name=own",
    "architecture.backbone._target_=torchvision.models.squeezenet1_1",
    "architecture.backbone.num_classes=8",
    "head=custom",
    "head._target_=artculture.models.heads.mlp_head",
    "head.hidden=[4]",
    "loss=custom",
    "loss._target_=torch.nn.MultiMarginLoss",
    "optimizer=custom",
    "optimizer._target_=torch.optim.RMSprop",
    "scheduler=custom",
    "scheduler._target_=torch.optim.lr_scheduler.OneCycleLR",
    "scheduler.max_lr=0.01",
    "scheduler.interval=step",
    "metrics.kappa._target_=torchmetrics.classification.MulticlassCohenKappa",
    "callbacks.timer._target_=lightning.pytorch.callbacks.Timer",
    "trainer.monitor=val/kappa",
    "trainer.extra.limit_train_batches=2",
)


# What an option needs next to it, or can't stand there.
NEEDED = {
    "architecture=timm": ("architecture.name=stub",),
    "optimizer=timm": ("optimizer.opt=lamb",),
    "method=transfer": ("augment.mix=null",),
}


def _cases() -> list[tuple[str, ...]]:
    """Return few combinations that hold every option of every group at least once."""
    groups = ("architecture", "head", "method", "optimizer", "loss", "balance", "scheduler", "augment")
    # architecture=embeddings takes data=embeddings, which has its own test.
    options = {group: sorted(OPTIONS[group] - {"custom", "embeddings"}) for group in groups}
    longest = max(map(len, options.values()))
    cases: list[tuple[str, ...]] = []
    for number in range(longest):
        chosen = [f"{group}={names[number % len(names)]}" for group, names in options.items()]
        cases.append((*chosen, *(more for choice in chosen for more in NEEDED.get(choice, ()))))
    cases.append(OWN)
    # The rows of recipe=modern differ in their architecture alone, which is tried above; study=modern plans them.
    cases += [(f"row={option}",) for option in sorted(OPTIONS["row"]) if not option.startswith("modern_")]
    cases.append(("trainer=auto", "launcher=local", "study=default", "recipe=modern"))
    cases += [("trainer=cpu",), ("trainer=ddp",)]
    return cases


def _name(case: tuple[str, ...]) -> str:
    return "-".join(text.partition("=")[2] for text in case[:8])


# Backbones are the same stub: architectures and rows beyond the options of all other groups repeat what was tried.
QUICK = max(len(OPTIONS[group]) for group in ("balance", "augment", "optimizer", "scheduler", "loss"))


def _is_quick(number: int, case: tuple[str, ...]) -> bool:
    return number < QUICK or case in (OWN, ("trainer=ddp",)) or "recipe=modern" in case


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(case, marks=[] if _is_quick(number, case) else pytest.mark.slow)
        for number, case in enumerate(_cases())
    ],
    ids=_name,
)
def test_option_trains(train, overrides, only_run):
    one_batch = ["trainer.extra.limit_train_batches=1"] if overrides is not OWN else []
    # A schedule with a warm-up needs an epoch after it.
    assert train("trainer.max_epochs=2", "architecture.weights=none", *one_batch, *overrides, stub=False) == 0
    assert (only_run() / "result.json").is_file()


@pytest.mark.filterwarnings("ignore:.*(Profiler|profiler)")  # torch's and Lightning's own, of a short profile
@pytest.mark.parametrize("option", sorted(OPTIONS["debug"]))
def test_debug_runs_apart_from_results(train, option, only_run, read_json):
    epochs = 12 if option == "overfit" else 1  # enough for a small network to know one batch by heart
    assert train(f"debug={option}", f"trainer.max_epochs={epochs}", "data.batch_size=4") == 0
    run = only_run()
    assert run.parent.name == "debug"
    assert f"-{option}" in run.name
    counts = read_json(run / "result.json")["counts"]
    predicted = pd.read_csv(run / "predictions.csv")["split"].value_counts()
    assert all(0 < predicted[split] <= counts[split] for split in ("val", "test"))
    if option == "overfit":
        assert pd.read_csv(run / "metrics.csv")["train/top1"].iloc[-1] == 1
    if option == "profiler":
        traces = [read_json(path)["traceEvents"] for path in run.glob("profiler/*training_step*.json")]
        assert any(event["name"].startswith("aten::conv") for event in traces[0])


def test_an_experiment_is_named_and_its_values_give_way_to_typed_ones(train, only_run, read_json):
    assert train("experiment=linear_alexnet", "trainer.max_epochs=2", "architecture.weights=none", stub=False) == 0
    result = read_json(only_run() / "result.json")
    assert (result["method"], result["scheduler"], result["epochs"]) == ("transfer", "cosine", 2)
    assert only_run().name.startswith("alexnet-transfer-cosine-pictures-linear_alexnet")


def test_the_sample_trains(train, only_run, read_json):
    sample = ["data=sample", "data.per_culture=12", "data.root=null", "trainer.max_epochs=2"]
    assert train(*sample, "architecture.weights=none", stub=False) == 0
    result = read_json(only_run() / "result.json")
    assert result["synthetic"]
    assert len(result["classes"]) == 11
    assert "Synthetic" in (only_run().parent / "results.md").read_text()


@pytest.mark.slow
def test_the_rows_of_the_modern_study_are_planned(monkeypatch, capsys, pictures):
    for module in ("settings", "preparation"):
        monkeypatch.setattr(f"artculture.studies.{module}.preprocessing_of", lambda *_: STUB_SIZE)
    monkeypatch.setattr("artculture.studies.settings.make_backbone", backbones.make_backbone)
    monkeypatch.setattr("artculture.models.backbones._timm", lambda *_: backbones._torchvision("alexnet"))
    monkeypatch.setattr("artculture.studies.planning.workload_of", lambda _: None)
    given = ["data=folder", f"data.root={pictures}", "architecture.weights=none", "logger=csv", "plan=true"]
    assert cli.main(["train", "study=modern", *given]) == 0
    said = capsys.readouterr().out
    assert "12 of 12 runs to train" in said
    assert "`artculture ensemble study.name=modern` averages runs of one split" in said
    assert said.count("layer decay 0.75") == 4
    assert "resnet50-scratch-step" in said


def test_every_group_is_covered():
    typed = {text for case in _cases() for text in case}
    covered = {text.split("=")[0] for text in typed if "." not in text.split("=")[0]}
    for group in covered & {"architecture", "head", "method", "optimizer", "loss", "balance", "scheduler", "augment"}:
        assert {f"{group}={option}" for option in OPTIONS[group]} - {"architecture=embeddings"} <= typed
    covered |= {"callbacks", "metrics", "debug", "experiment"}
    assert {f"row={option}" for option in OPTIONS["row"] if not option.startswith("modern_")} <= typed
    # data: above and in tests/unit/data; logger: in tests/unit/training/tracking; the others are other commands'
    assert covered | {"data", "logger", "cultures", "source", "search"} == set(OPTIONS)


def test_the_package_ships_its_configs():
    assert (config_folder() / "train.yaml").is_file()
    assert all(any((config_folder() / group).glob("*.yaml")) for group in OPTIONS)
