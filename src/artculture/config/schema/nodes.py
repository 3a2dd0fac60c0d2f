"""Config nodes with a `_target_`: a class or function of the user's own in place of a built-in variant."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from artculture.utils.targets import TARGET, check_target, is_target

# A node of any group: `_target_` and the arguments for it.
Node = dict[str, Any]
UserNode = Annotated[Node, Tag(TARGET)]


# Arguments of a scheduler that the trainer knows; passed where its signature has them and its node does not.
SCHEDULE_LENGTHS = ("total_steps", "steps_per_epoch", "epochs")


def _variant(value: Any) -> str | None:
    """Return the tag of a section: `_target_` for a user's node, else its `name`."""
    if is_target(value):
        return TARGET
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return name if isinstance(name, str) else None


# Chooses between the built-in variants of a group, by their `name`, and a user's node.
BY_NAME_OR_TARGET = Discriminator(_variant)


def node_mistakes(key: str, value: Any, given: Iterable[str] = (), positional: int = 0) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a node, as (key, mistake); nothing where the value is no node.

    Args:
        key: dotted key of the node.
        value: the value of the key.
        given: names of arguments that the program passes in addition.
        positional: number of arguments that the program passes by position.
    """
    if is_target(value) and value[TARGET] != "???":  # which is reported as missing
        mistakes = check_target(value, given, positional)
        if any("no argument `name`" in mistake for mistake in mistakes):
            yield f"{key}.{TARGET}", f"would get the values of {key}={value['name']} too: choose {key}=custom as well"
            return
        for mistake in mistakes:
            yield f"{key}.{TARGET}:", mistake


def absent(names: Iterable[str], node: Node) -> list[str]:
    """Return those of some argument names that a node does not set."""
    return [name for name in names if name not in node]
