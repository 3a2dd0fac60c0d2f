import json
import re
from dataclasses import replace

import numpy as np
import pytest

from artculture.analysis.culture_figures import culture_findings
from artculture.analysis.figure import write_findings
from artculture.analysis.number_words import WORDS
from tests.unit.analysis.synthetic import PAPER, about, make_embeddings, picture
from tests.unit.analysis.test_plotting_style import overlaps

ORDER = [
    "culture_distances",
    "culture_graph",
    "culture_chords",
    "geography",
    "regions",
    "recall_by_paintings",
    "confusion_matrix",
    "reliability",
    "painting_map",
]

# Keys that are words themselves.
KNOWN = {
    *WORDS, "accuracy", "cultures", "distance", "median", "paintings", "permutations", "share", "silhouette", "splits",
    "temperature", "verdict", "European", "Asian",
}  # fmt: skip


@pytest.fixture(scope="module")
def whole():
    counts = [120, 40, 90, 30, 8, 60, 9, 70, 25, 110, 12]
    embeddings = make_embeddings(PAPER, counts, noise=3)
    return list(culture_findings(embeddings, about(embeddings), picture))


def test_findings_have_the_order_of_the_report(whole):
    assert [finding.name for finding in whole] == ORDER
    assert all(finding.figure and finding.caption and finding.alt and finding.tables for finding in whole)


def test_alternative_texts_say_findings_and_numbers_have_words(whole):
    kinds = re.compile("heat map|scatter|diagram|network of|histogram|bar chart", re.IGNORECASE)
    for finding in whole:
        assert not kinds.search(finding.alt), finding.name
        assert re.search(r"\d", finding.alt), finding.name
        assert set(_keys(finding.numbers)) <= KNOWN, finding.name


def _keys(numbers):
    for key, value in numbers.items():
        yield key
        if isinstance(value, dict):
            yield from _keys(value)


def test_heat_maps_have_a_labelled_colour_bar_and_titled_axes(whole):
    for name, labels in (("culture_distances", ["L2 distance", "similarity, %"]), ("confusion_matrix", ["share"])):
        (figure,) = (finding.figure for finding in whole if finding.name == name)
        maps, bars = figure.axes[: len(labels)], figure.axes[len(labels) :]
        assert all(axes.get_xlabel() and axes.get_ylabel() for axes in maps)
        assert all(bar.get_ylabel().startswith(label) for bar, label in zip(bars, labels, strict=True))


@pytest.mark.parametrize("name", ORDER)
def test_no_two_texts_of_a_figure_overlap(whole, name):
    (figure,) = (finding.figure for finding in whole if finding.name == name)
    figure.canvas.draw()
    assert overlaps([text for axes in figure.axes for text in _texts(axes)]) == []


def _texts(axes):
    # Ticks beyond the limits are not drawn.
    across, up = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    ticks = [tick.label1 for tick in axes.xaxis.get_major_ticks() if across[0] <= tick.get_loc() <= across[1]]
    ticks += [tick.label1 for tick in axes.yaxis.get_major_ticks() if up[0] <= tick.get_loc() <= up[1]]
    ticks = ticks if axes.axison else []
    return [*axes.texts, *ticks, axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]


def test_numbers_and_tables_are_written_as_plain_values(whole, tmp_path):
    index = json.loads(write_findings(tmp_path, whole, {}).read_text())
    assert [entry["name"] for entry in index["findings"]] == ORDER
    names = {path.name for path in tmp_path.iterdir()}
    assert {f"{name}.{kind}" for name in ORDER for kind in ("png", "svg")} < names
    assert "painting_map.html" in names


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(tmp_path):
    embeddings = make_embeddings(("Chinese", "Dutch", "French", "Japanese"), 10)
    for name in ("one", "two"):
        write_findings(tmp_path / name, culture_findings(embeddings, about(embeddings), picture, seed=3), {})
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("classes", "counts"),
    [
        (("Dutch", "Indian"), 3),
        (("Dutch", "Indian", "French"), [1, 5, 0]),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((("red", "green", "blue"), 4), (PAPER, 1))),
    ],
)
def test_small_data_and_other_cultures_are_analysed(classes, counts, tmp_path):
    embeddings = make_embeddings(classes, counts)
    findings = list(culture_findings(embeddings, about(embeddings)))
    assert [finding.name for finding in findings] == ORDER
    write_findings(tmp_path, findings, {})


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_single_split_is_analysed(split):
    embeddings = make_embeddings(("Dutch", "Indian", "French", "Chinese"), 4)
    embeddings = replace(embeddings, split=np.full(16, split))
    assert [finding.name for finding in culture_findings(embeddings, about(embeddings))] == ORDER


def test_equal_features_are_analysed():
    embeddings = make_embeddings(("Dutch", "Indian", "French", "Chinese"), 4, np.zeros((4, 8)), noise=0)
    assert [finding.name for finding in culture_findings(embeddings, about(embeddings))] == ORDER
