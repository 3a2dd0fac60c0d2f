"""`artculture compare`: a study's table, rebuilt from its run directories."""

from pathlib import Path

from artculture.config import Section, Study
from artculture.hydra_app import run_app


class CompareConfig(Section):
    """Which study."""

    study: Study


def run(argv: list[str]) -> int:
    return run_app("compare", CompareConfig, compare, argv)


def compare(config: CompareConfig) -> int:
    from artculture.runs.study import show_table

    show_table(Path(config.study.root) / config.study.name)
    return 0
