"""Report of a study, as one self-contained HTML file and as Markdown."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup

from artculture import __version__
from artculture.collection.curation.table1 import HEADINGS, Row, table1
from artculture.data.manifest import Manifest, read_manifest
from artculture.report import curves, provenance, results_table
from artculture.report.balance import BalanceComparison, balance_comparisons
from artculture.report.figures import Analysis, read_analysis
from artculture.report.labels import LabelSection, label_sections
from artculture.report.paintings import CultureCount, Mistake, culture_counts, find_manifest, worst_mistakes
from artculture.report.parts import PartScore, part_tables
from artculture.report.region_tests import HEADERS as REGION_HEADERS
from artculture.report.region_tests import NOTE as REGION_NOTE
from artculture.report.region_tests import RegionTests, region_tests
from artculture.report.study_data import StudyRecord, StudyRun, read_study
from artculture.studies.disjoint_rows import HEADERS as DISJOINT_HEADERS
from artculture.studies.disjoint_rows import DisjointRow, disjoint_note, disjoint_rows, disjoint_title
from artculture.studies.label_rows import HEADERS as LABEL_HEADERS
from artculture.studies.label_rows import NOTE as LABEL_NOTE
from artculture.studies.label_rows import LabelRow, label_rows
from artculture.studies.results import write_results
from artculture.studies.table import has_paper, label_words
from artculture.utils.html_page import render_page, template_environment
from artculture.utils.io import replacing, write_text
from artculture.utils.label_words import LabelWords
from artculture.utils.visible_text import markdown_block, markdown_code, markdown_text, markdown_with_bold

FIGURES = "figures"


@dataclass(frozen=True)
class Report:
    """Content of a report, as the templates use it."""

    study: StudyRecord
    title: str
    rows: list[results_table.TableRow]
    headlines: list[results_table.Headline]
    notes: list[list[tuple[str, bool]]]
    disjoint: list[DisjointRow]
    label_rows: list[LabelRow]
    label_sections: list[LabelSection]
    panels: list[curves.Panel]
    costs: list[provenance.Cost]
    counts: list[CultureCount]
    table1: list[Row]
    mistakes: list[Mistake]
    analysis: Analysis | None
    analysed: StudyRun | None
    environments: list[tuple[str, list[str]]]
    configs: list[provenance.RunConfig]
    unfinished: list[provenance.UnfinishedRun]
    quarantine: pd.DataFrame
    region_tests: list[RegionTests] = field(default_factory=list)
    balance: list[BalanceComparison] = field(default_factory=list)
    made: str = field(default_factory=lambda: datetime.now(UTC).strftime("%-d %B %Y, %H:%M UTC"))

    @property
    def words(self) -> LabelWords:
        """What a class is called."""
        return label_words(self.study.summary)

    @property
    def has_paper(self) -> bool:
        return has_paper(self.study.summary)

    @property
    def synthetic(self) -> bool:
        return any(headline.synthetic for headline in self.headlines)

    @property
    def parts(self) -> list[tuple[str, list[PartScore]]]:
        """The best run's accuracy by artist and by source."""
        best = self.study.best
        return part_tables(best.result) if best and best.result else []

    @property
    def paintings(self) -> int:
        return sum(count.all for count in self.counts)


def write_report(folder: Path, mistakes: int, title: str | None = None) -> tuple[Path, Path]:
    """Write `report.html` and `report.md` of a study, and update its results files so that they agree.

    Args:
        folder: directory of the study.
        mistakes: number of wrong predictions to show, the most confident first.
        title: heading of the report; None for the study's own title.

    Returns:
        Paths of the HTML and the Markdown file.

    Raises:
        InputError: there is no such study, or one of its files is incomplete.
    """
    write_results(folder)
    report = build_report(read_study(folder), mistakes, title)
    html_file, md_file = folder / "report.html", folder / "report.md"
    write_text(html_file, render_html(report))
    write_text(md_file, render_markdown(report, _write_figures(report, folder / FIGURES)))
    return html_file, md_file


def build_report(study: StudyRecord, mistakes: int, title: str | None = None) -> Report:
    """Return the content of a study's report."""
    rows = results_table.table_rows(study.summary)
    best, analysed = study.best, study.analysed
    manifest = find_manifest(best.config) if best else None
    return Report(
        study,
        title or _title(study),
        rows,
        results_table.headlines(study.summary, rows),
        list(results_table.table_notes(study.summary)),
        disjoint_rows(study.summary),
        _labels(study.summary),
        label_sections(best),
        curves.panels(study.runs),
        provenance.costs(study),
        culture_counts(best) if best else [],
        _table1(best, manifest),
        worst_mistakes(best, manifest, mistakes) if best else [],
        read_analysis(analysed.analysis) if analysed else None,
        analysed,
        provenance.environments(study),
        provenance.run_configs(study),
        provenance.unfinished(study),
        provenance.quarantine(study.runs),
        region_tests(study),
        balance_comparisons(study),
    )


def _labels(summary: pd.DataFrame) -> list[LabelRow]:
    """Return the rows of the table of labels, without what all rows of the study have in common."""
    if summary.empty:
        return []
    common = results_table.common_variant(summary)
    return label_rows(summary.assign(variant=[results_table.without(str(v), common) for v in summary["variant"]]))


def _title(study: StudyRecord) -> str:
    titles = (run.config.get("study", {}).get("title") for run in study.runs)
    return next((str(title) for title in titles if title), study.folder.name)


def _table1(run: StudyRun | None, manifest: Manifest | None) -> list[Row]:
    """Return Table 1 (counts as fetched and as curated) for `data=met`; [] for any other data."""
    if run is None or manifest is None or run.config.get("data", {}).get("name") != "met":
        return []
    fetched = manifest.root / "manifest.fetched.csv"
    initial = read_manifest(fetched) if fetched.is_file() else manifest
    return table1(initial.table["culture"].tolist(), manifest.table["culture"].tolist())


def render_html(report: Report) -> str:
    """Return the self-contained HTML page."""
    analyses = [report.analysis, *(section.analysis for section in report.label_sections)]
    findings = [finding for analysis in analyses if analysis for finding in analysis.findings]
    return render_page(
        _environment(autoescape=True),
        "report.html.j2",
        style="report.css",
        embedded=[finding.page for finding in findings if finding.page],
        style_attributes=True,
        report=report,
        words=report.words,
        accuracies=results_table.ACCURACIES,
        table1_headings=HEADINGS,
        version=__version__,
        slug=slug,
        without=lambda variant: results_table.without(variant, results_table.common_variant(report.study.summary)),
        relative=lambda path: path.relative_to(report.study.folder).as_posix(),
    )


def render_markdown(report: Report, figures: dict[str, list[str]]) -> str:
    """Return the Markdown page; its figures are links relative to the study's folder."""
    environment = _environment(autoescape=False)
    environment.finalize = _escaped_markdown
    commands = "\n".join(config.command for config in report.configs)
    return environment.get_template("report.md.j2").render(
        report=report,
        words=report.words,
        accuracies=results_table.ACCURACIES,
        table1_headings=HEADINGS,
        figures=figures,
        without=lambda variant: results_table.without(variant, results_table.common_variant(report.study.summary)),
        version=__version__,
        commands=Markup(markdown_block(commands, "sh")),
        code=lambda text: Markup(markdown_code(text)),
        address=lambda path: _link_target(path.relative_to(report.study.folder).as_posix()),
        address_of=_link_target,
        note_line=_note_line,
    )


def _note_line(note: list[tuple[str, bool]]) -> Markup:
    """Return a note of the table, pieces of text and whether they are bold, as Markdown."""
    return Markup(markdown_with_bold("".join(f"**{text}**" if strong else text for text, strong in note)))


def _link_target(text: str) -> Markup:
    """Return the text as a Markdown link target; characters that would end it are percent-encoded."""
    return Markup(quote(text, safe="/:?&=#%+,;@~-._!$"))


def _write_figures(report: Report, folder: Path) -> dict[str, list[Any]]:
    """Write the figures that are in no run's analysis, charts and thumbnails, as files for the Markdown page."""
    found: dict[str, list[Any]] = {"charts": [], "mistakes": [], "balance": []}
    for number, panel in enumerate(report.panels, start=1):
        names = [f"curves-{number}-{slug(one.name)}.svg" for one in panel.charts]
        for name, one in zip(names, panel.charts, strict=True):
            write_text(folder / name, one.svg)
        found["charts"].append([f"{FIGURES}/{name}" for name in names])
    for number, comparison in enumerate(report.balance, start=1):
        name = f"balance-{number}-{slug(comparison.balance)}.svg"
        write_text(folder / name, comparison.chart.svg)
        found["balance"].append(f"{FIGURES}/{name}")
    for number, mistake in enumerate(report.mistakes, start=1):
        name = f"mistake-{number}.jpg" if mistake.thumbnail else ""
        if mistake.thumbnail:
            with replacing(folder / name) as temporary:
                temporary.write_bytes(mistake.thumbnail)
        found["mistakes"].append(f"{FIGURES}/{name}" if name else "")
    return found


def _environment(*, autoescape: bool) -> jinja2.Environment:
    environment = template_environment(__package__, "templates", autoescape=autoescape)
    environment.globals |= {"disjoint_title": disjoint_title, "disjoint_note": disjoint_note}
    environment.globals |= {"disjoint_headers": DISJOINT_HEADERS, "label_headers": LABEL_HEADERS}
    environment.globals |= {"label_note": LABEL_NOTE, "region_headers": REGION_HEADERS, "region_note": REGION_NOTE}
    environment.filters["unbroken"] = _unbroken
    environment.filters["percent"] = lambda value, digits=1: f"{value:.{digits}f}"
    return environment


def _unbroken(text: str) -> str:
    """Return text in which no line ends between a number and its sign or unit."""
    return re.sub(r" (?=%)|(?<=\bp) (?== )|(?<=\bp =) | (?=× \d)|(?<=\d ×) ", "\N{NO-BREAK SPACE}", text)


def _escaped_markdown(value: Any) -> Any:
    """Return text of the data escaped for Markdown; `Markup` is kept."""
    return value if not isinstance(value, str) or isinstance(value, Markup) else markdown_text(value)


def slug(name: str) -> str:
    """Return the text as part of a file name or an anchor: ASCII letters, digits, `-` and `_`."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name.lower())
    return "-".join(part for part in kept.split("-") if part) or "part"
