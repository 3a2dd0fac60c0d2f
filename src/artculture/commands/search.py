"""`artculture search`: tune learning rates, batch size, schedule and epochs of a run by validation accuracy."""

from importlib.util import find_spec

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from artculture.config.composition import run_app
from artculture.config.typed_text import quoted, typed_keys
from artculture.studies.search.config import SearchConfig
from artculture.utils.errors import InputError

ONE_RUN = (
    "a search is of one run. Start one search per run (`artculture search row=alexnet_step_finetuned`), or train "
    "a grid with `artculture train -m …`"
)


def run(argv: list[str]) -> int:
    argv = quoted(argv, list(typed_keys(SearchConfig)))
    for text in argv:
        if text in ("-m", "--multirun") or _is_sweep(text):
            raise InputError(f"{text}: {ONE_RUN}")
    argv = [mergeable(text) for text in argv]
    # A study provides its name only; its runs belong to `train`.
    return run_app("search", SearchConfig, search_values, [*argv, "hydra.mode=RUN"])


def search_values(config: SearchConfig) -> int:
    if find_spec("optuna") is None:
        raise InputError("artculture search needs optuna: pip install 'artculture[search]'")
    from artculture.studies.search.search import search
    from artculture.utils.logging import configure_logging

    configure_logging()
    return search(config)


def mergeable(text: str) -> str:
    """Return an override of the search space in a form that Hydra can merge into the default range."""
    key, _, value = text.partition("=")
    bare = key.lstrip("+")
    if not bare.startswith("search.space."):
        return text
    # The schema reports mistakes, with the nearest valid key.
    return f"++{bare}={{choices: {value}}}" if value.startswith("[") else f"++{bare}={value}"


def _is_sweep(text: str) -> bool:
    if "=" not in text or text.startswith("-"):
        return False
    try:
        return bool(OverridesParser.create().parse_override(text).is_sweep_override())
    except HydraException:  # reported with all other mistakes
        return False
