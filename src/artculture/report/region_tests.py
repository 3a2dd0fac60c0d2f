"""Tests of geography and regions of every analysed run, from the numbers of its analysis."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from artculture.analysis.claims import p_text
from artculture.analysis.figure import INDEX
from artculture.report.study_data import StudyRecord
from artculture.utils.io import read_json

HEADERS = ("Run", "Geography (Mantel test)", "Regions (silhouette)", "Communities follow regions", "Asian or Western")
NOTE = (
    "Significant and not significant at 5 %; too few: no result of so few cultures could be significant. The tests are "
    "those of the figures below, not corrected for the number of runs. Geography: correlation of style distance "
    "and geographic distance (Spearman). Regions: mean silhouette of the paintings. Communities: adjusted Rand index "
    "of the communities of the graph and the regions. Last column: test paintings whose side is right, in percent."
)


@dataclass(frozen=True)
class RegionTests:
    """Results of one run, as text; "–" for what its analysis lacks."""

    run: str
    geography: str
    regions: str
    communities: str
    sides: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of `HEADERS`."""
        return self.run, self.geography, self.regions, self.communities, self.sides


def region_tests(study: StudyRecord) -> list[RegionTests]:
    """Return the tests of the analysed runs, best validation first; without the runs that have none."""
    rows = []
    for run in study.analysed_runs:
        findings = read_json(run.analysis / INDEX).get("findings", [])
        numbers = {str(one.get("name")): one.get("numbers", {}) for one in findings if isinstance(one, dict)}
        cells = [
            _cell(numbers, ("geography", "all"), lambda n: _tested(n, f"{n['spearman']:+.2f}", "p_one_sided")),
            _cell(numbers, ("regions", "silhouette_of_paintings"), lambda n: _tested(n, f"{n['silhouette']:.3f}")),
            _cell(numbers, ("culture_graph", "communities"), lambda n: _tested(n, f"{n['adjusted_rand']:.2f}")),
            _cell(numbers, ("regions", "asian_against_western", "by_summed_probability"), _share),
        ]
        if set(cells) != {"–"}:
            rows.append(RegionTests(study.label(run), *cells))
    return rows


def _cell(numbers: Mapping[str, Any], path: tuple[str, ...], text: Callable[[Mapping[str, Any]], str]) -> str:
    found: Any = numbers
    try:
        for key in path:
            found = found[key]
        return text(found)
    except (KeyError, TypeError, ValueError):  # left out of this analysis, or an analysis of another version
        return "–"


def _tested(numbers: Mapping[str, Any], value: str, p: str = "p") -> str:
    return f"{value}, {p_text(float(numbers[p]))}: {numbers['verdict']}".replace("-", "\N{MINUS SIGN}")


def _share(numbers: Mapping[str, Any]) -> str:
    low, high = numbers["interval"]
    return f"{100 * numbers['share']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
