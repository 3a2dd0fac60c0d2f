"""Config nodes that name a class or function to call: `{_target_: my_package.MyLoss, gamma: 2.0}`."""

import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from hydra.errors import InstantiationException
from hydra.utils import get_object
from hydra.utils import instantiate as hydra_instantiate

from artculture.utils.errors import InputError, choices_hint, reason_of

TARGET = "_target_"
# Keys of a node that control Hydra's instantiation and are not arguments of the target.
DIRECTIVES = frozenset({TARGET, "_partial_", "_args_", "_convert_", "_recursive_"})
# Their modules, optimizers and schedulers do nothing else when they are constructed.
SAFE_PACKAGES = frozenset({"artculture", "torch", "torchmetrics"})
# Annotations of numbers, also as text (`from __future__ import annotations`), and how a message calls them.
NUMBERS: dict[type | str, str] = {
    **dict.fromkeys((int, "int"), "a whole number"),
    **dict.fromkeys((float, "float"), "a number"),
    **dict.fromkeys((bool, "bool"), "true or false"),
}
IMPORT_HINT = "its package must be installed, or lie in the folder that the command is started in"

Node = Mapping[str, Any]

# It logs what it raises, so that a mistake would be shown twice.
logging.getLogger("hydra.utils").disabled = True


def is_target(node: Any) -> bool:
    """Return whether a config value names a class or function to call."""
    return isinstance(node, Mapping) and TARGET in node


def node_name(section: Any) -> str:
    """Return the name of a section of the config: its `name`, or the last word of its `_target_`."""
    if is_target(section):
        return str(section[TARGET]).rpartition(".")[2]
    return str(section["name"] if isinstance(section, Mapping) else section.name)


def import_modules(names: Iterable[str]) -> None:
    """Import modules of the user's own, for example one that registers models with timm.

    Raises:
        InputError: one can't be imported.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # a user's module may raise anything while it is imported
            raise InputError(f"`{name}` can't be imported ({reason_of(error)}): {IMPORT_HINT}") from error


def accepted(node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some values that the target of a node has arguments for and the node does not set."""
    try:
        parameters = inspect.signature(locate(node[TARGET])).parameters
    except ValueError:  # some builtins have no signature
        return {}
    return {name: value for name, value in values.items() if name in parameters and name not in node}


def targets_in(values: Any, key: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node with a `_target_` in nested dicts and lists, outermost first, as (dotted key, node)."""
    if isinstance(values, Mapping):
        if is_target(values):
            yield key, values
        for name, value in values.items():
            yield from targets_in(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from targets_in(value, f"{key}.{index}" if key else str(index))


def locate(target: str) -> Callable[..., Any]:
    """Import the class or function of a dotted name.

    Raises:
        InputError: it can't be imported, or can't be called.
    """
    try:
        found = get_object(target)
    except Exception as error:  # a user's module may raise anything while it is imported
        cause = error.__cause__ or error
        module, _, name = target.rpartition(".")
        if (found := sys.modules.get(module)) is not None:
            public = [text for text in vars(found) if not text.startswith("_")]
            raise InputError(f"`{module}` has no `{name}`: {choices_hint(name, public)}") from error
        raise InputError(f"`{target}` can't be imported ({reason_of(cause)}): {IMPORT_HINT}") from error
    if not callable(found):
        raise InputError(f"`{target}` is a {type(found).__name__}, not a class or function")
    return found  # type: ignore[no-any-return]


def check_target(node: Node, given: Iterable[str] = (), positional: int = 0) -> list[str]:
    """Check a node's arguments against the signature of its target, without calling it.

    Args:
        node: with `_target_` and the arguments for it.
        given: names of arguments that the program passes in addition.
        positional: number of arguments that the program passes by position.

    Returns:
        One sentence per mistake; empty if the call would be accepted.
    """
    target = node.get(TARGET)
    if not isinstance(target, str):
        return [f"_target_ is {target!r}; give the dotted name of a class or function"]
    try:
        signature = inspect.signature(locate(target))
    except InputError as error:
        return [str(error)]
    except ValueError:  # some builtins have no signature: the call itself is the only check
        return []
    arguments = {str(name) for name in node if name not in DIRECTIVES}
    parameters = signature.parameters.values()
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:positional]
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    settable = names - {p.name for p in by_position} - set(given)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    mistakes = [
        f"`{target}` has no argument `{name}`: {choices_hint(name, sorted(settable))}"
        for name in sorted(arguments - settable)
        if not (takes_any and name not in names)
    ]
    required = {p.name for p in parameters if p.default is p.empty and p.name in names} - {p.name for p in by_position}
    missing = [] if node.get("_partial_") else sorted(required - arguments - set(given))
    mistakes += [f"`{target}` needs the argument `{name}`" for name in missing]
    return mistakes + [
        f"`{target}` takes {kinds} as `{p.name}`, not {node[p.name]!r}"
        for p in parameters
        if p.name in node and (kinds := _refused(p.annotation, node[p.name]))
    ]


def _refused(annotation: Any, value: Any) -> str:
    """Return the types of a number's annotation that a value from a config is none of; empty where it may be right."""
    union = get_origin(annotation) in (Union, UnionType)
    kinds = [kind for kind in (get_args(annotation) if union else [annotation]) if kind is not type(None)]
    names = [NUMBERS[kind] for kind in kinds if isinstance(kind, type | str) and kind in NUMBERS]
    if len(names) < len(kinds):  # something else than numbers
        return ""
    whole = "a number" not in names
    wrong = isinstance(value, str) or (whole and isinstance(value, float) and not value.is_integer())
    return " or ".join(dict.fromkeys(names)) if wrong else ""


def instantiate(node: Node, /, *args: Any, **given: Any) -> Any:
    """Call a node's target with its arguments, nested nodes first.

    Args:
        node: with `_target_` and the arguments for it, plain values.
        args: passed by position.
        given: passed by name, in addition to the node's own arguments.

    Raises:
        InputError: the target can't be imported, or rejects its arguments.
    """
    try:
        return hydra_instantiate(dict(node), *args, _convert_="all", **given)
    except InstantiationException as error:
        cause = error.__cause__ or error
        raise InputError(f"`{node[TARGET]}` can't be instantiated from its config: {reason_of(cause)}") from error


def foreign_targets(values: Any, trusted: Iterable[str] = ()) -> list[str]:
    """Return the targets in nested values that may do more than build a module, an optimizer or a scheduler.

    A library's name alone says nothing: `torch.hub.load` runs code from the network. Classes of these kinds from
    torch, torchmetrics and this package are safe to construct; everything else needs a trusted package.

    Args:
        values: nested dicts and lists, for example a checkpoint's hyperparameters.
        trusted: packages or modules that the user named.
    """
    allowed = tuple(trusted)
    named = [str(node[TARGET]) for _, node in targets_in(values)]
    foreign = {name for name in named if not any(name.startswith(f"{package}.") for package in allowed)}
    return sorted(name for name in foreign if not _only_builds(name))


def _only_builds(target: str) -> bool:
    if target.partition(".")[0] not in SAFE_PACKAGES:
        return False
    from torch import nn, optim

    try:
        found = locate(target)
    except InputError:
        return False
    kinds = (nn.Module, optim.Optimizer, optim.lr_scheduler.LRScheduler)
    # By the module that defines the class: a dotted name may lead through a package into another one.
    return isinstance(found, type) and issubclass(found, kinds) and found.__module__.partition(".")[0] in SAFE_PACKAGES
