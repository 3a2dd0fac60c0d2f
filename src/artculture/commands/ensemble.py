"""`artculture ensemble`: average finished runs of a study into a row of its table and one checkpoint."""

from pathlib import Path

from artculture.config.composition import run_app
from artculture.config.schema.ensemble import EnsembleConfig


def run(argv: list[str]) -> int:
    return run_app("ensemble", EnsembleConfig, ensemble, argv)


def ensemble(config: EnsembleConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.studies.ensembles.make import make_ensembles
    from artculture.studies.study import show_table
    from artculture.utils.logging import configure_logging
    from artculture.utils.progress import shown_progress

    configure_logging()
    with shown_progress("decoding pictures") as progress:
        make_ensembles(config, progress)
    show_table(Path(config.study.root) / config.study.name)
    return 0
