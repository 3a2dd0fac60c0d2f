"""`artculture report`: write the report of a study as HTML and Markdown."""

import sys
from pathlib import Path

from pydantic import NonNegativeInt

from artculture.config.composition import run_app
from artculture.config.schema.section import Section
from artculture.config.schema.train import Study
from artculture.utils.visible_text import visible


class ReportConfig(Section):
    """Config of `artculture report`."""

    study: Study
    mistakes: NonNegativeInt


def run(argv: list[str]) -> int:
    return run_app("report", ReportConfig, report, argv)


def report(config: ReportConfig) -> int:
    from artculture.report.page import write_report

    files = write_report(Path(config.study.root) / config.study.name, config.mistakes, config.study.title)
    sys.stdout.write(visible("".join(f"{file}\n" for file in files)))
    return 0
