import optuna
import pytest

from artculture.studies.search.space import dimensions, space_mistakes


@pytest.fixture
def row(composed):
    return composed("scheduler=step", "data=sample", "trainer.max_epochs=6")


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"method": {"heat_lr": [1]}}, ("method.heat_lr", "did you mean `method.head_lr`?")),
        ({"seed": [0, 1]}, ("seed", "all trials must share")),
        ({"data": {"split_seed": [0, 1]}}, ("data.split_seed", "all trials must share")),
        ({"scheduler": ["step", "plateau"]}, ("scheduler", "choice of a group")),
        ({"architecture": {"name": ["resnet50"]}}, ("architecture.name", "choice of a group")),
        ({"method": {"head_lr": 0.1}}, ("method.head_lr", "give [a, b, c] or {low")),
        ({"method": {"head_lr": []}}, ("method.head_lr", "no choice")),
        ({"method": {"head_lr": {"low": 1}}}, ("method.head_lr", "numbers for low and high")),
        ({"method": {"head_lr": {"low": 1, "high": 2, "lot": True}}}, ("method.head_lr", "has no `lot`")),
        ({"method": {"head_lr": {"low": 2, "high": 1}}}, ("method.head_lr", "is empty")),
        ({"method": {"head_lr": {"low": 0, "high": 1, "log": True}}}, ("method.head_lr", "logarithm")),
        ({"optimizer": {"nesterov": {"low": 0, "high": 1}}}, ("optimizer.nesterov", "is not a number")),
        ({"scheduler": {"gamma": {"low": 0.5, "high": 1.5}}}, ("scheduler.gamma", "scheduler.gamma=1.5")),
        ({"data": {"batch_size": [16, "many"]}}, ("data.batch_size", "data.batch_size=many")),
        ({"scheduler": {"k": {"low": 2.2, "high": 2.8}}}, ("scheduler.k", "one whole number")),
        ({"trainer": {"gradient_clip": {"low": 1, "high": 2, "times": True}}}, ("trainer.gradient_clip", "no value")),
        ({"scheduler": {"k": {"low": 1, "high": 9, "log": True, "step": 2}}}, ("scheduler.k", "takes a step")),
    ],
)
def test_mistakes_name_the_key_and_the_fix(row, space, says):
    ((key, what),) = space_mistakes(space, row)
    assert (key, says[1] in what) == (says[0], True), what


def test_all_mistakes_end_in_one_message(search, capsys):
    assert search("+search.space.method.heat_lr=[1]", "search.space.data.batch_size=[0]", "search.trials=0") == 2
    assert "search.trials" in capsys.readouterr().err
    assert search("+search.space.method.heat_lr=[1]", "+search.space.seed=[0]") == 2
    said = capsys.readouterr().err
    assert "2 mistakes" in said
    assert "search.space.method.heat_lr is not a key of the config: did you mean `method.head_lr`?" in said


@pytest.mark.parametrize(
    ("key", "leaf", "ends"),
    [
        ("method.head_lr", {"low": 0.1, "high": 10, "times": True}, [0.002, 0.2]),
        ("optimizer.momentum", {"low": 0, "high": 0.9}, [0.0, 0.9]),
        ("optimizer.momentum", {"low": 0, "high": 0.9, "step": 0.4}, [0.0, 0.8]),
        ("optimizer.weight_decay", [0, 1e-4], [0, 1e-4]),
    ],
)
def test_ranges_and_choices(row, key, leaf, ends):
    section, name = key.split(".")
    ((dimension,), _) = dimensions({section: {name: leaf}}, row, [])
    assert dimension.ends() == pytest.approx(ends)
    assert not dimension.whole


def test_whole_numbers_stay_whole_and_lists_are_choices(row):
    space = {"trainer": {"max_epochs": {"low": 0.5, "high": 2, "times": True}}}
    space |= {"head": {"hidden": [[64], [512, 128]]}}
    epochs, hidden = dimensions(space, row, [])[0]
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(0)).ask()
    assert (epochs.ends(), epochs.whole) == ([3, 12], True)
    assert isinstance(epochs.suggest(trial), int)
    assert hidden.suggest(trial) in ([64], [512, 128])


def test_rates_are_tried_as_given(row):
    (rate,), _ = dimensions({"method": {"head_lr": {"low": 0.001, "high": 1, "log": True}}}, row, [])
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(0)).ask()
    value = rate.suggest(trial)
    assert value == float(f"{trial.params['method.head_lr']:.3g}")
