"""`artculture compare`: rebuild the table of a study from its run directories."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from artculture.config.composition import run_app
from artculture.config.schema.section import Section
from artculture.config.schema.train import Study
from artculture.config.typed_text import AsTyped, UserPath
from artculture.utils.visible_text import visible


class CompareConfig(Section):
    """Config of `artculture compare`."""

    study: Study
    format: Literal["table", "markdown", "latex", "csv"]
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool


def run(argv: list[str]) -> int:
    return run_app("compare", CompareConfig, compare, argv)


def compare(config: CompareConfig) -> int:
    from artculture.studies.study import show_table, table_text
    from artculture.utils.io import write_text
    from artculture.utils.outputs import output_file

    output = output_file(config.output, overwrite=config.overwrite) if config.output else None
    study = Path(config.study.root) / config.study.name
    if config.format == "table" and output is None:
        show_table(study)
        return 0
    text = table_text(study, config.format)
    if output is None:
        sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
    else:
        write_text(output, text)
    return 0
