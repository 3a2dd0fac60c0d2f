"""The typed schema of the group `logger`: loggers by name, of which W&B is built in and others are Lightning's."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from artculture.config.schema.nodes import Node, node_mistakes
from artculture.config.schema.section import Section
from artculture.config.typed_text import AsTyped, Text, UserPath
from artculture.utils.errors import InputError
from artculture.utils.targets import TARGET, accepted, is_target

# Arguments of a logger that the program gives where its signature has them and its node does not.
GIVEN_TO_LOGGERS = ("save_dir", "run_name")
# Lightning's loggers whose library is an extra: class -> (modules of which one is enough, the extra).
EXTRAS = {
    "TensorBoardLogger": (("tensorboard", "tensorboardX"), "tensorboard"),
    "MLFlowLogger": (("mlflow",), "mlflow"),
}
NO_TARGET = f"needs a {TARGET}, or null to switch it off"


def _tags(value: Any) -> Any:
    """Return the tags of a text, separated by commas as in WANDB_TAGS."""
    if not isinstance(value, str):
        return value
    return [tag for text in value.split(",") if (tag := text.strip())]


class Wandb(Section):
    """The built-in logger to Weights & Biases."""

    mode: Literal["online", "offline", "disabled"] | None
    project: Text
    entity: Annotated[str | None, AsTyped()]
    group: Text
    job_type: Text
    name: Annotated[str | None, AsTyped()]
    notes: Annotated[str | None, AsTyped()]
    tags: Annotated[list[str], BeforeValidator(_tags), AsTyped()]
    dir: Annotated[UserPath | None, AsTyped()]
    thumbnails: Annotated[int, Field(ge=0)]
    log_model: Literal["none", "best"]
    alerts: bool


class Loggers(Section):
    """Loggers by name; null switches one off. Any name but `wandb` is a node of a `lightning.pytorch` logger."""

    model_config = ConfigDict(extra="allow")

    wandb: Wandb | None = None

    @property
    def nodes(self) -> dict[str, Node]:
        """The loggers that are nodes, without those that are switched off."""
        return {name: node for name, node in (self.model_extra or {}).items() if node is not None}

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the nodes, as (key, mistake), without calling them."""
        for name, node in self.nodes.items():
            yield from _mistakes(name, node)


def _mistakes(name: str, node: Any) -> Iterator[tuple[str, str]]:
    key = f"logger.{name}"
    if not is_target(node):
        near = get_close_matches(name, Wandb.model_fields, n=1)
        yield key, f"is no logger: did you mean `logger.wandb.{near[0]}`?" if near else NO_TARGET
    elif not re.fullmatch(r"\w[\w-]*", name):
        yield key, "must be a plain name of letters, digits, `_` and `-`"
    elif (extra := missing_extra(node)) is not None:
        yield key, f"needs a library that is not installed: pip install 'artculture[{extra}]', or {key}=null"
    else:
        yield from node_mistakes(key, {**_given(node), **node})


def _given(node: Node) -> dict[str, Any]:
    try:
        return accepted(node, dict.fromkeys(GIVEN_TO_LOGGERS, ""))
    except InputError:  # it can't be imported, which is said elsewhere
        return {}


def missing_extra(node: Node) -> str | None:
    """Return the extra of this package that brings the library of a Lightning logger, where that is missing."""
    modules, extra = EXTRAS.get(str(node[TARGET]).rpartition(".")[2], ((), ""))
    return extra if modules and all(find_spec(module) is None for module in modules) else None
