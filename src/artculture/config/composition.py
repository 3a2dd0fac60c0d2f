"""The edge between Hydra and our commands: compose, check everything typed, call the work, give its exit code."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import hydra
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel

from artculture.config.help import asks_for_help, command_help
from artculture.config.overrides import groups_of, groups_of_lists, override_mistake
from artculture.config.typed_text import quoted, sweeps_typed, typed_keys
from artculture.config.validation import (
    config_folder,
    is_known,
    known_keys,
    mistakes_error,
    validated,
    value_mistakes,
)
from artculture.utils.errors import InputError, reason_of

Model = TypeVar("Model", bound=BaseModel)


def run_app(command: str, schema: type[Model], work: Callable[[Model], int], argv: list[str]) -> int:
    """Run a command with all of Hydra's flags.

    Args:
        command: name of the root config, `conf/<command>.yaml`.
        schema: what the composed config must look like.
        work: as of `run_composed`, without the composed config.
        argv: what the user typed after the command's name.

    Raises:
        InputError: any mistake in what was typed; all of them are listed.
    """
    return run_composed(command, schema, lambda config, _: work(config), argv)


def run_composed(command: str, schema: type[Model], work: Callable[[Model, DictConfig], int], argv: list[str]) -> int:
    """Run a command as `run_app` does.

    Args:
        command, schema, argv: as of `run_app`.
        work: gets the checked config, and what Hydra composed, with its interpolations; returns the exit code. Not
            called where a flag only shows something.

    Raises:
        InputError: any mistake in what was typed; all of them are listed.
    """
    code = 0
    failure: Exception | None = None

    def task(config: DictConfig) -> None:
        nonlocal code, failure
        try:
            code = work(validated(schema, resolved(config)), config)
        except Exception as error:  # kept from Hydra, which would print it in its own way
            failure = error

    if asks_for_help(argv):
        sys.stdout.write(command_help(command, argv))
        return 0
    if not asks_for_completion(argv):
        argv = _with_new_keys(_flags_first(argv), set(known_keys(schema)))
        argv = quoted(argv, list(typed_keys(schema)), sweeps=command == "train" and sweeps_typed(argv))
        check_typed(schema, command, argv)
    with _arguments(command, argv), explained_errors():
        try:
            hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=command)(task)()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    if failure is not None:
        raise failure
    return code


def _with_new_keys(argv: list[str], keys: set[str]) -> list[str]:
    """The same arguments, with Hydra's `++` before keys that a section takes beyond those in its config file."""
    return [f"++{text}" if _is_new_key(text, argv, keys) else text for text in argv]


def _is_new_key(text: str, argv: list[str], keys: set[str]) -> bool:
    key, equals, _ = text.partition("=")
    if not equals or not re.fullmatch(r"[\w.]+", key) or not is_known(key, keys):
        return False
    # A class of the user's own may have an argument that a built-in option has, too.
    section, dot, _ = key.partition(".")
    return key not in keys or (bool(dot) and f"{section}=custom" in argv)


def resolved(config: DictConfig) -> dict[str, Any]:
    """The config with all interpolations resolved, as plain values and without Hydra's own part."""
    with explained_errors():
        return _resolved(config)


def _resolved(config: DictConfig) -> dict[str, Any]:
    own = {key: config._get_node(key) for key in config if key != "hydra"}
    bare = OmegaConf.create({str(key): node for key, node in own.items()})
    values = OmegaConf.to_container(bare, resolve=True, throw_on_missing=False)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def check_typed(schema: type[BaseModel], command: str, argv: list[str]) -> None:
    """Check the overrides among the arguments before Hydra stops at the first wrong one.

    Raises:
        InputError: listing unknown groups' options, unknown keys and, where there are such, wrong values too.
    """
    typed, extra_folder = _split_flags(argv)
    if extra_folder:
        _refuse_binary(extra_folder)
    groups = groups_of(command, extra_folder)
    keys = set(known_keys(schema))
    lists = groups_of_lists(command)
    mistakes, sound = [], []
    for text in typed:
        mistake = override_mistake(text, groups, keys, lists)
        if mistake:
            mistakes.append(mistake)
        else:
            sound.append(text)
    if mistakes:
        raise mistakes_error([*mistakes, *_mistakes_in_the_rest(schema, command, sound, extra_folder)])


def _mistakes_in_the_rest(
    schema: type[BaseModel], command: str, overrides: list[str], extra_folder: Path | None
) -> list[str]:
    # Only after a first mistake: composes what is left (the first element of each sweep) to list wrong values too.
    parsed = OverridesParser.create().parse_overrides(overrides)
    singles = [
        f"{o.get_key_element()}={next(iter(o.sweep_string_iterator()))}" if o.is_sweep_override() else text
        for o, text in zip(parsed, overrides, strict=True)
        if not isinstance(o.value(), Glob)  # only Hydra's own loader can expand it
    ]
    if extra_folder:
        singles.append(f"hydra.searchpath=[file://{extra_folder}]")
    try:
        with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
            composed = hydra.compose(command, overrides=singles)
        # An unknown choice left out may leave `???` behind: not a mistake of its own.
        return [text for text in value_mistakes(schema, resolved(composed)) if " is missing" not in text]
    except (HydraException, OmegaConfBaseException) as error:
        return [_message(error)]
    except yaml.YAMLError:
        return []  # reported when the rest is right


def _refuse_binary(folder: Path) -> None:
    """Refuse options that are not text: Hydra's error does not name the file."""
    for file in sorted(folder.glob("**/*.yaml")):
        try:
            file.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError) as error:
            raise InputError(f"{file} is not a text file in UTF-8 ({reason_of(error)})") from error


def asks_for_completion(argv: list[str]) -> bool:
    """Return whether arguments are those of Hydra's shell completion (`-sc install=bash`)."""
    return any(text in ("-sc", "--shell-completion") for text in argv)


def _flags_first(argv: list[str]) -> list[str]:
    """The same arguments in the one order that argparse takes: it loses overrides after a flag after overrides."""
    from hydra._internal.utils import get_args_parser

    overrides = list(get_args_parser().parse_intermixed_args(argv).overrides)
    return [text for text in argv if text not in overrides] + overrides


def _split_flags(argv: list[str]) -> tuple[list[str], Path | None]:
    from hydra._internal.utils import get_args_parser

    arguments = get_args_parser().parse_args(argv)
    folder = Path(arguments.config_dir).resolve() if arguments.config_dir else None
    return list(arguments.overrides), folder


def config_flags() -> list[str]:
    """The flags of the running command that decide where configs come from, for a command that it starts."""
    from hydra._internal.utils import get_args_parser

    arguments = get_args_parser().parse_args(sys.argv[1:])
    given = {"--config-dir": arguments.config_dir, "--config-name": arguments.config_name}
    return [part for flag, value in given.items() if value for part in (flag, value)]


@contextmanager
def explained_errors() -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise about a config into one InputError."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_message(error)) from error
    except yaml.YAMLError as error:
        raise InputError(f"a config file is not YAML: {' '.join(str(error).split())}") from error


def _message(error: BaseException) -> str:
    misplaced = re.match(r"Could not override '(.+?)'", str(error))
    if misplaced:
        return f"`{misplaced[1]}` is not among the keys of the chosen options"
    lines = [line for line in str(error).splitlines() if line.strip() and "full_key" not in line]
    cause = str(error.__cause__).splitlines()[0] if error.__cause__ else ""
    text = " ".join(line.strip() for line in lines)
    return text if not cause or cause in text else f"{text}: {cause}"


@contextmanager
def _arguments(command: str, argv: list[str]) -> Iterator[None]:
    # Hydra reads sys.argv, and with HYDRA_FULL_ERROR hands errors on instead of printing them and exiting.
    before, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    # The shell completes the words of the command `artculture`, whichever subcommand follows.
    sys.argv = ["artculture" if asks_for_completion(argv) else f"artculture {command}", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error
