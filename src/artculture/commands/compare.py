"""`artculture compare`: rebuild the table of a study from its run directories."""

from pathlib import Path

from artculture.config.composition import run_app
from artculture.config.schema.section import Section
from artculture.config.schema.train import Study


class CompareConfig(Section):
    """Config of `artculture compare`."""

    study: Study


def run(argv: list[str]) -> int:
    return run_app("compare", CompareConfig, compare, argv)


def compare(config: CompareConfig) -> int:
    from artculture.studies.study import show_table

    show_table(Path(config.study.root) / config.study.name)
    return 0
