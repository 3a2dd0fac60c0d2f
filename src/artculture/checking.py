"""Checks of what the user typed against a schema: all mistakes at once, each with the nearest valid choice."""

import difflib
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from artculture.errors import InputError, choices_hint

CONF = "conf"
Model = TypeVar("Model", bound=BaseModel)


def config_folder() -> Path:
    """Where the shipped configs lie: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    inside = package / CONF
    return inside if inside.is_dir() else package.parents[1] / CONF


def group_options(folders: list[Path]) -> dict[str, set[str]]:
    """Every config group of the folders and its options: {"architecture": {"resnet50", …}, …}."""
    groups: dict[str, set[str]] = {}
    for folder in folders:
        for file in folder.glob("*/*.yaml"):
            groups.setdefault(file.parent.name, set()).add(file.stem)
    return groups


def known_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a schema, sections included; `section.*` where a section takes any key."""
    for name, field in schema.model_fields.items():
        key = prefix + name
        yield key
        for annotation in alternatives(field.annotation):
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from known_keys(annotation, key + ".")
            elif get_origin(annotation) is dict:
                yield key + ".*"


def alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from alternatives(argument)
    elif origin is Annotated:
        yield from alternatives(get_args(annotation)[0])
    else:
        yield annotation


def is_known(key: str, keys: set[str]) -> bool:
    parts = key.split(".")
    return key in keys or any(".".join(parts[:n]) + ".*" in keys for n in range(1, len(parts)))


def nearest_key(key: str, keys: set[str]) -> str:
    """A hint for an unknown key: the same last word elsewhere, else the nearest spelling, else its neighbours."""
    # Its own section is near by spelling and no help.
    keys = {known for known in keys if not (key.startswith(known + ".") or known.endswith(".*"))}
    same_word = sorted(known for known in keys if known.split(".")[-1] == key.split(".")[-1])
    if len(same_word) == 1:
        return f"did you mean `{same_word[0]}`?"
    near = difflib.get_close_matches(key, same_word or sorted(keys), n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    section = key.rpartition(".")[0]
    neighbours = [known for known in keys if known.rpartition(".")[0] == section]
    return choices_hint(key, neighbours or [known for known in keys if "." not in known], shown=16)


def validated(schema: type[Model], values: dict[str, Any]) -> Model:
    """The values as the schema's model.

    Raises:
        InputError: listing every wrong value, or every contradiction.
    """
    mistakes = value_mistakes(schema, values)
    if mistakes:
        raise mistakes_error(mistakes)
    return schema.model_validate(values)


def value_mistakes(schema: type[BaseModel], values: dict[str, Any]) -> list[str]:
    missing = sorted(_missing_keys(values))
    told = [f"{key} is missing; give it as {key}=…" for key in missing]
    try:
        model = schema.model_validate(values)
    except ValidationError as error:
        return told + [text for text in _explained(error, schema) if text.split("=")[0] not in missing]
    contradictions = getattr(model, "contradictions", None)
    return told + ([f"{key} {what}" for key, what in contradictions()] if contradictions else [])


def mistakes_error(mistakes: list[str]) -> InputError:
    if len(mistakes) == 1:
        return InputError(mistakes[0])
    return InputError(f"{len(mistakes)} mistakes in the config:\n  " + "\n  ".join(mistakes))


def _missing_keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _missing_keys(value, f"{prefix}{key}.")
        elif value == "???":
            yield prefix + key


def _explained(error: ValidationError, schema: type[BaseModel]) -> list[str]:
    keys = set(known_keys(schema))
    by_key: dict[str, list[str]] = {}
    for detail in error.errors():
        key, what = _explain(dict(detail), keys)
        if what not in by_key.setdefault(key, []):
            by_key[key].append(what)
    return [f"{key}: {', or '.join(whats)}" for key, whats in by_key.items()]


def _explain(detail: dict[str, Any], keys: set[str]) -> tuple[str, str]:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"no key `{key}`", nearest_key(key, keys)
    # pydantic appends the member of a union to the location ("int", "literal[…]"): keep what is a key.
    while key and not is_known(key, keys):
        key = key.rpartition(".")[0]
    value = detail["input"]
    if detail["type"] == "missing":
        return key, "is missing"
    if detail["type"] == "literal_error":
        # pydantic says "'error', 'drop' or 32"; 32 and '32' are one to the user
        options = dict.fromkeys(text.strip("'") for text in re.split(r", | or ", detail["ctx"]["expected"]))
        near = choices_hint(str(value), options)
        return f"{key}={value}", near if near.startswith("did") else f"choose {' | '.join(options)}"
    return f"{key}={value}", str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
