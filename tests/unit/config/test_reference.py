from pathlib import Path

import pytest

from artculture.config.reference import ConfigFile, ConfigKey, keys_of_option, read_config
from artculture.config.validation import config_folder

TEXT = """\
# @package _global_
# What the file
# is for.
defaults:
  - architecture: resnet50
  - logger: [wandb, csv]
  - row: null
  - _self_
  - override hydra/job_logging: none

seed: 0 # of everything
# Above,
# and
name: "a # no comment" # after
words: # in order
  [one,
  two]
section: # of two
  inner: {a: 1} # mapping
  two words: null

hydra: {run: {dir: .}}
"""


@pytest.fixture
def group(tmp_path: Path) -> Path:
    (tmp_path / "_base.yaml").write_text("# Shared.\nflip: false # mirror\nscale: 1 # size\n")
    (tmp_path / "mine.yaml").write_text("# Mine.\ndefaults: [_base, _self_]\n\nflip: true\nown: 2 # extra\n")
    return tmp_path


def test_a_file_is_read_with_its_comments(tmp_path):
    (tmp_path / "a.yaml").write_text(TEXT)
    assert read_config(tmp_path / "a.yaml") == ConfigFile(
        summary="What the file is for.",
        bases=(),
        choices={"architecture": "resnet50", "logger": "wandb, csv", "row": "null"},
        keys=(
            ConfigKey("seed", "0", "of everything"),
            ConfigKey("name", '"a # no comment"', "Above, and after"),
            ConfigKey("words", "[one, two]", "in order"),
            ConfigKey("section", "", "of two"),
            ConfigKey("section.inner", "{a: 1}", "mapping"),
            ConfigKey("section.two words", "null", ""),
        ),
    )


def test_an_option_takes_over_the_keys_and_meanings_of_its_base(group):
    assert keys_of_option(group, "mine") == [
        ConfigKey("flip", "true", "mirror"),
        ConfigKey("own", "2", "extra"),
        ConfigKey("scale", "1", "size"),
    ]


# Groups whose files set keys of other groups, list words or hold nodes of libraries.
COMBINATIONS = ("cultures", "debug", "experiment", "recipe", "row", "search", "source", "study")


@pytest.mark.parametrize(
    "file", sorted(config_folder().glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_every_key_of_a_group_states_its_meaning(file):
    if file.parent.name in COMBINATIONS and file.stem != "default":
        return
    known_elsewhere = ("name", "library", "recipe.", "rates.", "sizes.", "tensorboard", "mlflow")
    mute = [key.name for key in keys_of_option(file.parent, file.stem) if not key.meaning]
    assert [name for name in mute if not name.startswith(known_elsewhere)] == []


@pytest.mark.parametrize("file", sorted(config_folder().glob("*.yaml")), ids=lambda file: file.stem)
def test_every_key_of_a_command_states_its_meaning(file):
    mute = [key.name for key in read_config(file).keys if not key.meaning]
    assert [name for name in mute if not name.startswith(("study", "rules."))] == []
