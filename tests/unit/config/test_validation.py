from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from artculture.config import validation
from artculture.config.overrides import override_mistake
from artculture.config.validation import config_folder, group_options, is_known, known_keys, nearest_key, validated
from artculture.utils.errors import InputError, choices_hint, reason_of


class Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Oven(Section):
    heat: Annotated[int, Field(ge=50, le=300)]
    mode: Literal["fan", "grill"]
    alarm: Literal["error", "door", 32, "32"] = "error"
    rack: Literal["auto"] | int = 1
    notes: dict[str, str] = {}


class Kitchen(Section):
    oven: Oven
    spare: Oven | None = None
    cook: str

    def contradictions(self):
        if self.oven.mode == "grill" and self.oven.heat < 200:
            yield "oven.heat", "is too low for grill; give 200 or more"
        if self.cook == "nobody":
            yield "cook", "is nobody; name one"


GOOD = {"oven": {"heat": 180, "mode": "fan"}, "cook": "Ada"}


def mistakes(**changes):
    with pytest.raises(InputError) as caught:
        validated(Kitchen, {**GOOD, **changes})
    return str(caught.value)


def test_good_values_become_the_model():
    assert validated(Kitchen, GOOD).oven.heat == 180


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"oven": {"heat": 20, "mode": "fan"}}, "oven.heat=20: should be greater than or equal to 50"),
        ({"oven": {"heat": "180", "mode": "fan"}}, "oven.heat=180: should be a valid integer"),
        ({"oven": {"heat": 180, "mode": "gril"}}, "oven.mode=gril: did you mean `grill`?"),
        ({"oven": {"heat": 180, "mode": "x"}}, "oven.mode=x: choose fan | grill"),
        (
            {"oven": {"heat": 180, "mode": "fan", "rack": "top"}},
            "oven.rack=top: choose auto, or should be a valid integer",
        ),
        ({"oven": {"heat": 180, "mode": "fan", "alarm": "x"}}, "oven.alarm=x: choose error | door | 32"),
        ({"oven": {"heat": 180}}, "oven.mode: is missing"),
        ({"oven": {"heat": 180, "mode": "fan", "heet": 3}}, "no key `oven.heet`: did you mean `oven.heat`?"),
        ({"cooks": "Ada"}, "no key `cooks`: did you mean `cook`?"),
        ({"cook": "???"}, "cook is missing; give it as cook=…"),
        ({"oven": {"heat": "???", "mode": "fan"}}, "oven.heat is missing; give it as oven.heat=…"),
        ({"oven": {"heat": 60, "mode": "grill"}}, "oven.heat is too low for grill; give 200 or more"),
    ],
)
def test_one_mistake_is_one_line(changes, says):
    assert mistakes(**changes) == says


def test_all_wrong_values_are_listed():
    message = mistakes(oven={"heat": 1, "mode": "x", "colour": "red"}, cook=3)
    assert message.splitlines()[0] == "4 mistakes in the config:"
    for key in ("oven.heat=1", "oven.mode=x", "`oven.colour`", "cook=3"):
        assert key in message


def test_all_contradictions_are_listed():
    message = mistakes(oven={"heat": 60, "mode": "grill"}, cook="nobody")
    assert "oven.heat is too low" in message
    assert "cook is nobody" in message


def test_known_keys_reach_into_optional_sections_and_open_ones():
    keys = set(known_keys(Kitchen))
    assert {"cook", "oven", "oven.heat", "spare.heat", "oven.notes.*"} <= keys
    assert is_known("oven.notes.any.thing", keys)
    assert not is_known("cook.heat", keys)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("notes", "did you mean `oven.notes` or `spare.notes`?"),
        ("eat", "choose from: cook, oven, spare"),
        ("oven.al", "did you mean `oven.alarm`?"),
        ("oven.heatt", "did you mean `oven.heat`?"),
        ("mode", "did you mean `oven.mode` or `spare.mode`?"),
        ("oven.zzz", "choose from: oven.alarm, oven.heat, oven.mode, oven.notes, oven.rack"),
        ("zzz.zzz", "choose from: cook, oven, spare"),
    ],
)
def test_hints_for_unknown_keys(typed, hint):
    keys = set(known_keys(Kitchen))
    assert nearest_key(typed, keys) == hint


def test_the_same_word_in_another_section_is_the_hint():
    assert (
        nearest_key("trainer.batch_size", {"data.batch_size", "trainer.devices"}) == "did you mean `data.batch_size`?"
    )


def test_the_end_of_a_key_s_last_word_is_enough():
    keys = {"method.head_lr", "method.backbone_lr", "method.lora", "trainer.max_epochs", "data.epochs"}
    assert nearest_key("method.lr", keys) == "did you mean `method.backbone_lr` or `method.head_lr`?"
    assert nearest_key("trainer.epochs", keys) == "did you mean `trainer.max_epochs`?"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("arch=alexnet", "did you mean `architecture=alexnet`?"),
        ("method.optimizer=adamw", "did you mean `optimizer=adamw`?"),
        ("arch=alexnet,resnet50", "did you mean `architecture`?"),
        ("arch=none", "did you mean `architecture`?"),
    ],
)
def test_a_value_that_is_an_option_of_one_group_names_the_group(typed, hint):
    groups = {"architecture": {"alexnet", "resnet50"}, "optimizer": {"adamw"}, "balance": {"none"}, "augment": {"none"}}
    key = typed.partition("=")[0]
    assert override_mistake(typed, groups, {"seed"}, set()) == f"no key `{key}`: {hint}"


@pytest.mark.parametrize(
    ("wrong", "valid", "hint"),
    [
        ("resnet5", ["resnet50", "alexnet"], "did you mean `resnet50`?"),
        ("zzz", ["b", "a"], "choose from: a, b"),
        ("zzz", [f"{n:02d}" for n in range(20)], "… (20 in all)"),
    ],
)
def test_choices_are_near_ones_or_all(wrong, valid, hint):
    assert hint in choices_hint(wrong, valid)


@pytest.mark.parametrize(
    ("error", "said"), [(EOFError(), "EOFError"), (ValueError("a\nb"), "a"), (OSError("\n"), "OSError")]
)
def test_the_reason_is_one_line(error, said):
    assert reason_of(error) == said


def test_groups_of_several_folders_add_up(tmp_path):
    for file in ("one/data/a.yaml", "two/data/b.yaml", "two/own/c.yaml", "two/root.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert group_options([tmp_path / "one", tmp_path / "two"]) == {"data": {"a", "b"}, "own": {"c"}}


def test_configs_inside_an_installed_package_are_found(tmp_path, monkeypatch):
    assert (config_folder() / "train.yaml").is_file()
    (tmp_path / "artculture" / "conf").mkdir(parents=True)
    monkeypatch.setattr(validation, "__file__", str(tmp_path / "artculture" / "config" / "validation.py"))
    assert config_folder() == Path(tmp_path / "artculture" / "conf")
