"""Pages of the reference that are made of the code: every command, every config key. Run by mkdocs (gen-files)."""

import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import mkdocs_gen_files
from pydantic import BaseModel, TypeAdapter

from artculture.cli import COMMANDS, GROUPS
from artculture.commands import run as run_command
from artculture.config.help import command_help
from artculture.config.reference import ConfigKey, keys_of_option, read_config
from artculture.config.schema.train import TrainConfig
from artculture.config.validation import alternatives, config_folder, group_options

os.environ["COLUMNS"] = "120"
# Groups that are chosen by commands other than `train`, or that set keys of other groups.
NOT_OF_A_RUN = ("cultures", "search", "source")


def commands_page() -> str:
    parts = ["# Commands\n"]
    for title, commands in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in commands:
            text = run_command.USAGE if name == "run" else command_help(name, ["--help"])
            parts.append(f"### artculture {name}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


def config_page() -> str:
    parts = [
        "# Config keys\n",
        "Every group of `artculture train`, its options and their keys: type, default and meaning. A default with "
        "`${…}` is computed from other keys; `???` must be given.\n",
    ]
    for group, options in sorted(group_options([config_folder()]).items()):
        if group in NOT_OF_A_RUN:
            continue
        parts.append(f"## {group}\n")
        for option in sorted(options):
            config = read_config(config_folder() / group / f"{option}.yaml")
            parts.append(f"### {group}={option}\n\n{escaped(config.summary)}\n")
            section = section_of(group, option)
            keys = [key for key in keys_of_option(config_folder() / group, option) if key.name != "name"]
            parts += [table(keys, section, f"{group}." if section else "")] if keys else []
    parts += ["## Keys without a group\n", table(read_config(config_folder() / "train.yaml").keys, TrainConfig, "")]
    for command in sorted(set(COMMANDS) - {"run", "train", "search"}):
        schema = schema_of(command)
        parts += [
            f"## artculture {command}\n",
            table(read_config(config_folder() / f"{command}.yaml").keys, schema, ""),
        ]
    return "\n".join(parts)


def schema_of(command: str) -> type[BaseModel]:
    """The schema of a command: that of its module which has all keys of its config."""
    names = {key.name.split(".")[0] for key in read_config(config_folder() / f"{command}.yaml").keys}
    found = vars(import_module(f"artculture.commands.{command}")).values()
    schemas = [item for item in found if isinstance(item, type) and issubclass(item, BaseModel)]
    return next(schema for schema in schemas if names <= set(schema.model_fields))


def section_of(group: str, option: str) -> type[BaseModel] | None:
    """The schema of a group's option; None where the option sets keys of other groups."""
    field = TrainConfig.model_fields.get(group)
    if field is None:
        return None
    sections = [
        kind for kind in alternatives(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)
    ]
    named = [kind for kind in sections if "name" in kind.model_fields and option in names_of(kind)]
    return next(iter(named or sections), None)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    return [kind for kind in alternatives(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]


def names_of(section: type[BaseModel]) -> list[Any]:
    schema = TypeAdapter(section.model_fields["name"].annotation).json_schema()
    return schema.get("enum", [schema.get("const")])


def table(keys: Any, schema: type[BaseModel] | None, prefix: str) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += [row(key, schema, prefix) for key in keys]
    return "\n".join([*lines, ""])


def row(key: ConfigKey, schema: type[BaseModel] | None, prefix: str) -> str:
    kind = escaped(type_text(field_of(schema, key.name.split("."))))
    default = "`" + key.default.replace("|", "\\|") + "`" if key.default else ""
    return f"| `{prefix}{key.name}` | {kind} | {default} | {escaped(key.meaning)} |"


def field_of(schema: type[BaseModel] | None, names: list[str]) -> Any:
    if schema is None or names[0] not in schema.model_fields:
        return None
    field = schema.model_fields[names[0]]
    if len(names) == 1:
        # With the bounds that pydantic keeps next to the annotation.
        return TypeAdapter(field.rebuild_annotation() if field.metadata else field.annotation)
    inner = models_in(field.annotation)
    return field_of(inner[0], names[1:]) if inner else None


def type_text(adapter: TypeAdapter[Any] | None) -> str:
    """A type as words: `integer ≥ 1`, `auto | cpu | gpu`, `list of number`."""
    return "" if adapter is None else " or ".join(dict.fromkeys(type_words(adapter.json_schema())))


def type_words(schema: dict[str, Any]) -> Iterator[str]:
    if "anyOf" in schema or "oneOf" in schema:
        for part in schema.get("anyOf", schema.get("oneOf")):
            yield from type_words(part)
    elif "enum" in schema or "const" in schema:
        yield " | ".join(dict.fromkeys(str(value) for value in schema.get("enum", [schema.get("const")])))
    elif schema.get("type") == "array":
        yield "list of " + " or ".join(type_words(schema.get("items", {})))
    elif "$ref" in schema or schema.get("type") == "object":
        yield "mapping"
    elif "type" in schema:
        bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
        limits = ", ".join(f"{sign} {schema[name]:g}" for name, sign in bounds.items() if name in schema)
        yield f"{schema['type']} {limits}".strip()
    else:
        yield "any"


def escaped(text: str) -> str:
    for sign in "|_*":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("<", "&lt;")


for name, page in {"reference/commands.md": commands_page, "reference/config.md": config_page}.items():
    with mkdocs_gen_files.open(name, "w") as file:
        file.write(page())
changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
with mkdocs_gen_files.open("changelog.md", "w") as file:
    file.write(re.sub(r"\]\((?!https?:|docs/)", "](../", changelog).replace("](docs/", "]("))
