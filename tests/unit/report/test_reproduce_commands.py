import shlex

import pytest

from artculture.config.schema.train import plain
from artculture.report.reproduce_commands import overrides_for, reproduce_command
from artculture.report.study_data import StudyRun
from artculture.training.run_directory import RunDirectory


@pytest.fixture
def compose():
    """The checked config of some overrides, as a run directory stores it."""
    import hydra

    from artculture.config.composition import resolved
    from artculture.config.schema.train import TrainConfig
    from artculture.config.validation import config_folder, validated

    def composed(*overrides):
        with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
            return plain(validated(TrainConfig, resolved(hydra.compose("train", overrides=list(overrides)))))

    return composed


@pytest.mark.parametrize(
    "typed",
    [
        "architecture=alexnet method=transfer scheduler=step seed=3",
        "architecture=timm architecture.name=test_resnet data=folder data.root='my\\ folder/a=b,c'",
        "data=sample data.per_culture=12 augment.crop_scale=[0.5,1.0] trainer.early_stopping=4 trainer=cpu",
        "head.hidden=[64] data=met data.cultures=[Dutch,French] logger=csv study.name=mine",
    ],
)
def test_the_rebuilt_command_composes_the_same_config(compose, typed):
    config = compose(*typed.split(" ")) if "\\" not in typed else compose(*typed.replace("\\ ", "_").split(" "))
    assert compose(*overrides_for(config)) == config


def test_what_was_typed_is_shown(add):
    status = {"state": "finished", "arguments": ["--config-dir", "my conf", "seed=1"]}
    run = StudyRun(add("resnet50", "step", "scratch"), status, {}, None, None)
    assert reproduce_command(run) == "artculture train --config-dir 'my conf' seed=1"


def test_quotes_that_change_nothing_are_left_out(add):
    arguments = ["data.root='/data/my-met'", "data.label_name='style'", "data.name='null'", "data.title='two words'"]
    status = {"state": "finished", "arguments": arguments}
    command = reproduce_command(StudyRun(add("resnet50", "step", "scratch"), status, {}, None, None))
    assert command.startswith("artculture train data.root=/data/my-met data.label_name=style 'data.name=")
    assert shlex.split(command)[4:] == arguments[2:]


def test_without_a_record_the_command_is_rebuilt(compose, tmp_path):
    config = compose("data=folder", "data.root=a b")
    command = reproduce_command(StudyRun(RunDirectory(tmp_path), {"state": "finished"}, config, None, None))
    assert "'data.root='\"'\"'a b'\"'\"''" in command
    assert compose(*shlex.split(command)[2:]) == config
