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
    from artculture.report.results_table import headlines, table_rows
    from artculture.report.study_data import read_study

    folder = Path(config.study.root) / config.study.name
    files = write_report(folder, config.mistakes, config.study.title)
    summary = read_study(folder).summary
    sentences = [headline.sentence for headline in headlines(summary, table_rows(summary))]
    sys.stdout.write(visible("".join(f"{text}\n" for text in [*sentences, *files])))
    return 0
