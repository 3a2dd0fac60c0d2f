"""Checks of what the user typed against a schema: all mistakes at once, each with the nearest valid choice."""

import copy
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from artculture.utils.errors import InputError, choices_hint, nearest

CONF = "conf"
Model = TypeVar("Model", bound=BaseModel)


def config_folder() -> Path:
    """Where the shipped configs lie: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    inside = package / CONF
    return inside if inside.is_dir() else package.parents[1] / CONF


def group_options(folders: list[Path]) -> dict[str, set[str]]:
    """Every config group of the folders and its options: {"architecture": {"resnet50", …}, …}.

    A file whose name begins with `_` holds the keys that the group's options share, and is no option.
    """
    groups: dict[str, set[str]] = {}
    for folder in folders:
        for file in folder.glob("*/[!_]*.yaml"):
            groups.setdefault(file.parent.name, set()).add(file.stem)
    return groups


def known_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a schema, sections included; `section.*` where a section takes any key."""
    if schema.model_config.get("extra") == "allow":
        yield prefix + "*"
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
    """A hint for an unknown key: the same last word elsewhere, else the nearest spelling, else its neighbours.

    A word is also that of keys which end with it, as in `lr` or `method.lr` for `method.head_lr`.
    """
    # Its own section is near by spelling and no help.
    keys = {known for known in keys if not (key.startswith(known + ".") or known.endswith(".*"))}
    word = key.split(".")[-1]
    same_word = sorted(known for known in keys if known.split(".")[-1] == word)
    ends = ("_" + word, "." + word) if word == key else ("." + word,)
    meant = sorted(
        (known for known in keys if f".{known}".endswith(ends)), key=lambda known: (known.count("."), len(known))
    )
    begun = any(known.startswith(key) for known in keys)
    section = key.rpartition(".")[0]
    longer = [f"`{known}`" for known in sorted(keys) if known.startswith(f"{section}.") and known.endswith(f"_{word}")]
    if longer and not begun:
        return f"did you mean {' or '.join(longer[:2])}?"
    if not begun and (len(same_word) == 1 or (word == key and meant)):
        near = [f"`{known}`" for known in meant if known.count(".") == meant[0].count(".")]
        return f"did you mean {' or '.join(near[:2])}?"
    nearest_known = nearest(key, sorted(keys) if begun else same_word or sorted(keys))
    if nearest_known:
        return f"did you mean `{nearest_known}`?"
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
    mistakes = [f"{key} is missing; give it as {key}=…" for key in missing]
    try:
        model = schema.model_validate(values)
    except ValidationError as error:
        mistakes += [text for text in _explained(error, schema) if text.split("=")[0] not in missing]
        if any(detail["type"] != "extra_forbidden" for detail in error.errors()):
            return mistakes
        # Only keys that don't belong there: the rest can still be checked as a whole.
        model = schema.model_validate(_without(values, [detail["loc"] for detail in error.errors()]))
    contradictions = getattr(model, "contradictions", None)
    return mistakes + ([f"{key} {what}" for key, what in contradictions()] if contradictions else [])


def _without(values: dict[str, Any], locations: list[tuple[int | str, ...]]) -> dict[str, Any]:
    """A copy of nested values without those at pydantic's locations, which name unions' tags too."""
    pruned = copy.deepcopy(values)
    for *sections, last in locations:
        inner = pruned
        for section in sections:
            inner = inner.get(str(section), inner)
        inner.pop(str(last), None)
    return pruned


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
    known = set(known_keys(schema))
    # A section with named keys is a union of variants, of which a user's node takes any key.
    keys = {
        key for key in known if not (key.endswith(".*") and any(other.startswith(key[:-1]) for other in known - {key}))
    }
    by_subject: dict[str, list[str]] = {}
    for detail in error.errors():
        subject, what = _explain(dict(detail), schema, keys)
        whats = by_subject.setdefault(subject, [])
        if what and what not in whats:
            whats.append(what)
    return [": ".join(filter(None, (subject, ", or ".join(whats)))) for subject, whats in by_subject.items()]


def _explain(detail: dict[str, Any], schema: type[BaseModel], keys: set[str]) -> tuple[str, str]:
    """What a mistake is about and what is wrong with it."""
    extra = detail["type"] == "extra_forbidden"
    key, tag = _key_and_tag(detail["loc"], keys, extra=extra)
    if extra and is_known(key, keys):
        section, _, name = key.rpartition(".")
        owners = " | ".join(f"{section}={owner}" for owner in _variants_with(schema, section, name))
        return f"{key} has no meaning for {section}={tag}", f"it goes with {owners}"
    if extra:
        return f"no key `{key}`", nearest_key(key, keys)
    value = detail["input"]
    if detail["type"] == "missing":
        return (f"{key} is missing; it is needed by {key.rpartition('.')[0]}={tag}", "") if tag else (key, "is missing")
    if detail["type"] == "union_tag_not_found":
        return f"{key}.name", "is missing"
    if detail["type"] in ("literal_error", "union_tag_invalid"):
        if detail["type"] == "union_tag_invalid":
            key, value = f"{key}.name", detail["ctx"]["tag"]
        # pydantic says "'error', 'drop' or 32"; 32 and '32' are one to the user
        expected = detail["ctx"].get("expected") or detail["ctx"]["expected_tags"]
        options = dict.fromkeys(text.strip("'") for text in re.split(r", | or ", expected))
        near = choices_hint(str(value), options)
        return f"{key}={value}", near if near.startswith("did") else f"choose {' | '.join(options)}"
    return f"{key}={value}", str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")


def _key_and_tag(location: tuple[int | str, ...], keys: set[str], *, extra: bool) -> tuple[str, str]:
    """The key of pydantic's location, and the tag of the union that the key's section is; empty where it is none.

    pydantic puts the chosen member of a union between the keys: `launcher.slurm.minutes`, `data.num_workers.int`.
    """
    key, tag = "", ""
    for number, part in enumerate(location):
        longer = f"{key}.{part}" if key else str(part)
        if is_known(longer, keys) or (extra and number == len(location) - 1):
            key = longer
        elif number == len(location) - 2:
            tag = str(part)
    return key, tag


def _variants_with(schema: type[BaseModel], section: str, name: str) -> Iterator[str]:
    """The tags of a union's members that have a key of this name."""
    annotations: list[Any] = [schema]
    for part in section.split("."):
        fields = [kind.model_fields for kind in annotations if isinstance(kind, type) and issubclass(kind, BaseModel)]
        annotations = [kind for f in fields if part in f for kind in alternatives(f[part].annotation)]
    for member in annotations:
        if isinstance(member, type) and issubclass(member, BaseModel) and name in member.model_fields:
            yield from get_args(member.model_fields["name"].annotation)
