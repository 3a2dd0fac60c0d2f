import hydra
import pytest
from omegaconf import OmegaConf
from pydantic import BaseModel

from artculture.config.composition import resolved
from artculture.config.schema.train import TrainConfig, plain
from artculture.config.validation import alternatives, config_folder, group_options, validated, value_mistakes
from artculture.utils.errors import InputError
from tests.fixtures.runs import compose_once

# `cultures` and `source` are choices of `fetch`, `search` of the command of that name.
GROUPS = {g: o for g, o in group_options([config_folder()]).items() if g not in ("cultures", "source", "search")}
# What an option needs from the user.
NEEDED = {
    ("architecture", "timm"): ["architecture.name=test_resnet"],
    ("architecture", "custom"): ["architecture.name=own", "architecture.backbone._target_=torch.nn.Flatten"],
    ("head", "custom"): ["head._target_=artculture.models.heads.mlp_head", "+head.hidden=[8]"],
    ("loss", "custom"): ["loss._target_=torch.nn.MultiMarginLoss"],
    ("optimizer", "timm"): ["optimizer.opt=lamb"],
    ("optimizer", "custom"): ["optimizer._target_=torch.optim.RMSprop"],
    ("scheduler", "custom"): ["scheduler._target_=torch.optim.lr_scheduler.ExponentialLR", "+scheduler.gamma=0.9"],
    ("method", "transfer"): ["augment.mix=null"],
    ("data", "custom"): ["data.source._target_=os.getcwd"],
    ("launcher", "custom"): ["launcher._target_=collections.Counter"],
    ("data", "folder"): ["data.root=somewhere"],
    ("data", "shards"): ["data.root=somewhere"],
    ("data", "hub"): ["data.path=owner/dataset"],
    ("data", "embeddings"): ["data.path=somewhere", "data.root=somewhere"],
}
# Options that go together alone.
EMBEDDINGS = {"data": "embeddings", "architecture": "embeddings", "method": "transfer"}


def compose(*overrides, command="train"):
    return resolved(compose_once(command, *overrides))


def check(*overrides) -> TrainConfig:
    return validated(TrainConfig, compose(*overrides))


def contradictions(*overrides):
    return value_mistakes(TrainConfig, compose(*overrides))


def _combinations() -> list[dict[str, str]]:
    """Return few choices that hold every option of every group; those that set other groups stand alone."""
    alone = {"row", "study", "debug", "experiment", "recipe"}
    options = {group: sorted(GROUPS[group]) for group in sorted(GROUPS) if group not in alone}
    options["loss"].remove("custom")  # most balances change the built-in loss
    for group in EMBEDDINGS:
        options[group] = [option for option in options[group] if option != "embeddings"]
    longest = max(len(found) for found in options.values())
    together = [{group: found[n % len(found)] for group, found in options.items()} for n in range(longest)]
    return [
        *together,
        {"loss": "custom"},
        EMBEDDINGS,
        *({group: option} for group in sorted(alone) for option in sorted(GROUPS[group])),
    ]


@pytest.mark.parametrize("chosen", _combinations(), ids=lambda chosen: "-".join(chosen.values()))
def test_every_shipped_option_composes_and_is_valid(chosen):
    needed = [more for choice in chosen.items() for more in NEEDED.get(choice, [])]
    config = check(*(f"{group}={option}" for group, option in chosen.items()), *needed)
    for group, option in chosen.items():
        section = getattr(config, group, None)
        free = option in ("timm", "custom", "auto", "cpu", "gpu", "ddp") or getattr(section, "sizes", None)
        if hasattr(section, "name") and not free:
            # The file's name is the option's name wherever names are shown.
            assert section.name == option


METHODS = sorted(GROUPS["method"] - {"probe"})
ARCHITECTURES = sorted(GROUPS["architecture"] - {"embeddings"})


@pytest.mark.parametrize(
    ("architecture", "method"),
    [
        *((architecture, METHODS[n % len(METHODS)]) for n, architecture in enumerate(ARCHITECTURES)),
        *(("resnet50", method) for method in METHODS),
    ],
)
def test_a_method_takes_its_constants_from_the_architecture(architecture, method):
    needed = NEEDED.get(("architecture", architecture), [])
    config = check(f"architecture={architecture}", f"method={method}", "data=met", *needed)
    recipe = getattr(config.architecture.recipe, method)
    assert (config.method.head_lr, config.method.backbone_lr) == (recipe.head_lr, recipe.backbone_lr)
    assert (config.data.batch_size, config.trainer.max_epochs) == (recipe.batch_size, recipe.epochs)
    assert (recipe.backbone_lr == 0) == (method == "transfer")


def test_what_the_paper_says():
    config = check()
    assert (config.optimizer.momentum, config.data.fractions, config.seed) == (0.9, [0.8, 0.1, 0.1], 0)
    assert {"plateau", "step"} <= GROUPS["scheduler"]
    assert (config.architecture.name, config.method.name, config.scheduler.name) == ("resnet50", "finetuned", "plateau")


def test_table_2_is_the_paper_s_six_rows_in_its_order():
    from artculture.studies.paper import TABLE_2

    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        sweep = hydra.compose("train", ["study=table2"], return_hydra_config=True).hydra.sweeper.params.row
    rows = [check(f"row={row}") for row in sweep.split(",")]
    assert [(r.architecture.name, r.scheduler.name, r.method.name) for r in rows] == [row[:3] for row in TABLE_2]


def test_the_step_schedule_decays_within_the_sample_s_epochs():
    """Else rows that differ in the schedule alone are equal, where all weights are random."""
    step = check("data=sample", "scheduler=step")
    assert step.scheduler.k < step.trainer.max_epochs
    assert check("data=folder", "data.root=x", "scheduler=step").scheduler.k == 10
    assert check("data=sample", "scheduler=step", "scheduler.k=7").scheduler.k == 7


def test_the_split_s_seed_follows_the_run_s():
    assert check("seed=5").data.split_seed == 5
    assert check("seed=5", "data.split_seed=1").data.split_seed == 1


def test_the_cache_can_be_set_by_the_environment(monkeypatch):
    monkeypatch.setenv("ARTCULTURE_CACHE", "/somewhere: else")
    assert check().data.cache == "/somewhere: else"
    monkeypatch.delenv("ARTCULTURE_CACHE")
    assert check().data.cache == "~/.cache/artculture"


def test_a_plain_config_validates_to_the_same():
    config = check("scheduler=cosine", "augment=strong", "trainer.early_stopping=3")
    assert TrainConfig.model_validate(plain(config)) == config


def test_a_checked_config_can_not_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        check().seed = 3


VIT = ("architecture=timm", "architecture.name=test_vit")
OWN_LOSS = ["loss=custom", "loss._target_=torch.nn.CrossEntropyLoss"]
CONTRADICTIONS = [
    (["+scheduler.warmup_epochs=1"], "scheduler.warmup_epochs has no meaning for scheduler=plateau"),
    (["scheduler=cosine", "+scheduler.gamma=0.1"], "scheduler.gamma has no meaning for scheduler=cosine"),
    (["~scheduler.k"], "scheduler.k is missing; it is needed by scheduler=plateau"),
    (["scheduler=cosine", "trainer.max_epochs=1"], "scheduler.warmup_epochs is 1, but the whole training has 1"),
    (["head.hidden=[]"], "head.hidden=[]: List should have at least 1 item"),
    (["optimizer.momentum=0.0"], "optimizer.nesterov needs momentum"),
    (["method.unfreeze={}"], "method.unfreeze never trains the backbone"),
    (["method.unfreeze={last_stage:4,all:2}"], "method.unfreeze trains all (2) before the last stage (4)"),
    (["method.head=checkpoint"], "method.head is checkpoint, but architecture.weights=imagenet is none"),
    (["optimizer=timm", "optimizer.opt=lamp"], "optimizer.opt=lamp: did you mean `lamb`?"),
    (["optimizer=timm", "optimizer.opt=adahessian"], "optimizer.opt=adahessian: needs second derivatives"),
    (["optimizer=timm", "optimizer.opt=lamb", "+optimizer.args.x=1"], "optimizer.opt=lamb: Lamb.__init__() got"),
    (["optimizer.layer_decay=0.7"], "optimizer.layer_decay needs a model of timm"),
    (["optimizer.layer_decay=0.7", *VIT, "method=transfer"], "optimizer.layer_decay is of the backbone"),
    (["method.backbone_lr=0"], "method.backbone_lr is 0, but finetuned trains the backbone; use method=transfer"),
    (["trainer=cpu", "trainer.precision=16-mixed"], "trainer.precision 16-mixed needs a GPU"),
    (["augment.crop_scale=null"], "augment.crop_scale and augment.crop_ratio go together"),
    (["augment.crop_scale=[0.9,0.1]"], "augment.crop_scale is [0.9, 0.1]; give [smallest, largest]"),
    (["augment.crop_ratio=[1.0]"], "augment.crop_ratio is [1.0]; give [smallest, largest]"),
    (["augment.mix={probability:0.5}"], "augment.mix mixes nothing: give mixup or cutmix"),
    (["augment=modern", "method=transfer"], "augment.mix mixes images, but method.features=cached trains on features"),
    (["architecture=dinov3", "architecture.size=bas"], "architecture.size=bas: did you mean `base`"),
    (["data.split=stored"], "data.split is stored, but the sample stores none"),
    (["data.root=pictures"], "data.root has no meaning for data=sample; for your own pictures use data=folder"),
    (["~data.per_culture"], "data.per_culture is missing; it is needed by data=sample"),
    (["data=folder", "data.root=null"], "data.root is missing; give the folder of pictures"),
    (["data.fractions=[0.5,0.4,0.2]"], "data.fractions is [0.5, 0.4, 0.2]; give train, validation and test"),
    (["data.fractions=[0.5,0.5]"], "data.fractions is [0.5, 0.5]"),
    (["data.cultures=[Dutch]"], "data.cultures is ['Dutch']; give at least two different classes"),
    (["data.cultures=[Dutch,Dutch]"], "data.cultures is ['Dutch', 'Dutch']"),
    (["+launcher.minutes=5"], "launcher.minutes has no meaning for launcher=local"),
    (["launcher=ray", "+launcher.partition=gpu"], "launcher.partition has no meaning for launcher=ray"),
    (["launcher=slurm", "~launcher.minutes"], "launcher.minutes is missing; it is needed by launcher=slurm"),
    (["launcher=ray", "launcher.gpus=0", "trainer=gpu"], "launcher.gpus is 0, but trainer.accelerator=gpu"),
    (["launcher=custom", "launcher._target_=os.nothing"], "launcher._target_: `os` has no `nothing`: "),
    (["data=custom", "data.source._target_=os.getcwd", "+data.source.x=1"], "data.source._target_: `os.getcwd` has no"),
    (["augment.transforms=[{p: 1}]"], "augment.transforms.0 needs a _target_"),
    ([*OWN_LOSS, "balance=focal"], "balance=focal changes the built-in loss, but loss._target_ is a loss of your own"),
    ([*OWN_LOSS, "+loss.weight=[1,2]", "balance=sqrt_sampler"], "balance=sqrt_sampler and loss.weight both correct"),
    (
        ["balance=focal", "+balance.tau=1"],
        "balance.tau has no meaning for balance=focal: it goes with balance=logit_adj",
    ),
    (["launcher=slurm", "launcher.minutes=1"], "launcher.signal_seconds is 120, longer than the whole job"),
]


@pytest.mark.parametrize(("overrides", "says"), CONTRADICTIONS, ids=[" ".join(typed) for typed, _ in CONTRADICTIONS])
def test_contradictions_are_named(overrides, says):
    (mistake,) = contradictions(*overrides)
    assert mistake.startswith(says)


def test_keys_of_another_choice_are_listed_with_all_other_mistakes():
    mistakes = contradictions("+launcher.minutes=5", "+scheduler.floor=0.1", "optimizer.momentum=0.0")
    assert mistakes == [
        "scheduler.floor has no meaning for scheduler=plateau: it goes with scheduler=cosine",
        "launcher.minutes has no meaning for launcher=local: it goes with launcher=slurm",
        "optimizer.nesterov needs momentum: set optimizer.momentum or optimizer.nesterov=false",
    ]


def test_only_the_chosen_variants_keys_are_stored():
    values = plain(check())
    assert values["launcher"] == {"name": "local", "parallel": "auto"}
    assert values["scheduler"] == {"name": "plateau", "gamma": 0.1, "k": 4}
    assert not {"features", "views"} & values["method"].keys()
    assert not {"cache_gb", "shuffle_shards"} & values["data"].keys()


FINE = [
    ["method=transfer"],
    ["optimizer.momentum=0.0", "optimizer.nesterov=false"],
    ["optimizer=timm", "optimizer.opt=lamb", "+optimizer.args.eps=1e-5", "optimizer.layer_decay=0.7", *VIT],
    ["augment=none"],
    [*OWN_LOSS, "balance=balanced_sampler"],
    ["data.fractions=[0.7,0.15,0.15]"],
    ["trainer.precision=16-mixed"],
    ["data=folder", "data.root=x", "data.split=stored"],
    ["trainer.precision=32"],
    ["trainer.deterministic=warn"],
    ["data.num_workers=3"],
    ["launcher.parallel=2"],
    ["launcher=slurm"],
    ["launcher=slurm", "trainer=cpu", "launcher.cluster=local", "+launcher.options.exclude=node7"],
    ["launcher=ray", "launcher.gpus=0"],
    ["resume=/some/last.ckpt"],
]


@pytest.mark.parametrize("overrides", FINE, ids=" ".join)
def test_what_only_looks_like_one_passes(overrides):
    assert contradictions(*overrides) == []


WRONG = {
    "trainer.max_epochs=0": "greater than 0",
    "trainer.max_epochs=2.5": "valid integer",
    "trainer.max_epochs='3'": "valid integer",
    "trainer.precision=16": "choose auto | 32 | bf16-mixed | 16-mixed",
    "trainer.monitor=accuracy": "choose from: val/loss, val/macro_f1, val/macro_recall, val/top1, val/top3",
    "trainer.gradient_clip=-1": "greater than 0",
    "trainer.checkpoint_every_minutes=0": "greater than 0",
    "trainer.checkpoint_every_steps=1.5": "valid integer",
    "trainer.on_out_of_memory=ignore": "choose halve | error",
    "optimizer.momentum=1": "less than 1",
    "method.head_lr=0": "greater than 0",
    "method.head_lr=fast": "valid number",
    "head.hidden=[512,0]": "greater than 0",
    "head.dropout=1": "less than 1",
    "data.image_size=16": "greater than or equal to 32",
    "data.per_culture=2": "greater than or equal to 3",
    "data.split=strat": "did you mean `stratified`?",
    "data.on_bad_image=hide": "choose error | skip",
    "data.fractions=[0.9,0.1,0]": "greater than 0",
    "augment.flip=maybe": "valid boolean",
    "augment.erase=2": "less than or equal to 1",
    "launcher.parallel=0": "auto",
    "launcher.name=pbs": "choose local | slurm | ray",
    "launcher.minutes=0": "greater than 0",
    "launcher.gpus=-1": "greater than or equal to 0",
    "launcher.on_interrupt=ask": "choose leave | cancel",
    "study.name=../elsewhere": "plain folder name",
    "study.name=''": "plain folder name",
    "seed=-1": "greater than or equal to 0",
    "seed=4294967296": "less than",
    "on_error=panic": "choose continue | stop",
}


@pytest.fixture(scope="module")
def usual():
    return {"": compose(), "launcher": compose("launcher=slurm")}


@pytest.mark.parametrize(("override", "says"), WRONG.items())
def test_wrong_values_are_named(usual, override, says):
    with_keys = usual["launcher" if override.startswith("launcher") else ""]
    values = OmegaConf.to_container(OmegaConf.merge(with_keys, OmegaConf.from_dotlist([override])))
    (mistake,) = value_mistakes(TrainConfig, values)
    assert mistake.startswith(override.split("=")[0])
    assert says in mistake


def float_keys(schema=TrainConfig, prefix=""):
    """Every key of a schema that takes a number with decimals."""
    for name, field in schema.model_fields.items():
        for kind in alternatives(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from float_keys(kind, f"{prefix}{name}.")
            elif kind is float:
                yield prefix + name


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_no_number_of_a_config_may_be_infinite_or_none(value):
    keys = set(float_keys())
    assert {"method.head_lr", "optimizer.weight_decay", "trainer.gradient_clip", "launcher.memory_gb"} <= keys
    covered = set()
    for overrides in VARIANTS:
        values = compose(*overrides)
        own = {key for key in keys if _replace(values, key, float(value))}
        wrong = {mistake.split("=")[0] for mistake in value_mistakes(TrainConfig, values)}
        assert own <= wrong
        covered |= own
    assert covered == keys


VARIANTS = [
    ("balance=focal",),
    ("launcher=slurm", "scheduler=cosine", "method=transfer", "balance=class_weights"),
    ("launcher=ray", "data=shards", "data.root=shards", "optimizer=adamw", "balance=logit_adjustment"),
    (
        "trainer.ema=0.9",
        "balance=sqrt_sampler",
        "augment=modern",
        "architecture=efficientnet_lite0",
        "method.lora={alpha:1.0}",
    ),
]


def _replace(values, key, value):
    """Replace a value of a composed config; return whether the config has it."""
    *sections, name = key.split(".")
    for section in sections:
        values = values.get(section) or {}
    found = name in values
    if found:
        values[name] = value
    return found


def test_an_infinite_learning_rate_is_refused():
    with pytest.raises(InputError, match=r"method\.head_lr=inf: should be a finite number"):
        check("method.head_lr=inf")
