from importlib import import_module

import pytest

from artculture import cli
from artculture.config.help import command_help
from artculture.config.reference import read_config
from artculture.config.validation import config_folder
from artculture.utils.errors import InputError

COMMANDS = sorted(file.stem for file in config_folder().glob("*.yaml"))


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_is_one_screen_with_examples(command):
    shown = command_help(command, ["--help"])
    assert shown.splitlines()[-1].endswith("--cfg job shows the whole config.")
    assert f"Usage: artculture {command} " in shown
    assert f"\n  artculture {command} " in shown.partition("Examples:")[2]
    assert len(shown.splitlines()) <= 60
    for key in read_config(config_folder() / f"{command}.yaml").keys:
        assert "." in key.name or f"\n  {key.name}" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_root_config_belongs_to_a_command(command):
    assert command in cli.COMMANDS
    assert callable(import_module(f"artculture.commands.{command}").run)


def test_a_group_is_explained_by_its_options_and_keys():
    shown = command_help("train", ["--help", "data"])
    assert "\n  folder " in shown
    assert "Keys of data=sample:" in shown
    assert "\n  data.per_culture=60 " in shown


def test_an_option_is_explained_where_it_is_typed():
    shown = command_help("train", ["method=transfer", "-h"])
    assert shown.startswith("Pretrained backbone frozen")
    assert "\n  method.views=4 " in shown


def test_a_section_is_explained_by_its_keys():
    assert "\n  limits.json_depth=64 " in command_help("fetch", ["--help", "limits"])


def test_search_has_the_groups_of_train():
    assert "\n  architecture " in command_help("search", ["--help"])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--help", "dta"], r"no group or key `dta`: did you mean `data`\?"),
        (["--help", "data=foldr"], r"data=foldr: did you mean `folder`\?"),
    ],
)
def test_an_unknown_topic_is_answered_with_the_nearest(argv, says):
    with pytest.raises(InputError, match=says):
        command_help("train", argv)
