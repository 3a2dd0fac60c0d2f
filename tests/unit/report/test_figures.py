import json
import shutil

import numpy as np
import pytest
from PIL import Image

from artculture.report.figures import LARGE_FIGURE, formatted_numbers, picture, read_analysis
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from tests.fixtures.report_study import analyse


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    directory = RunDirectory(tmp_path_factory.mktemp("drawn"))
    analyse(directory)
    return directory.path / "analysis"


@pytest.fixture
def analysis(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / "analysis")


def test_groups_keep_the_order_and_join_the_feature_maps(analysis):
    groups = [[finding.name for finding in group] for group in read_analysis(analysis).groups()]
    assert groups == [["distances"], ["feature_maps_dutch", "feature_maps_french"], ["painting_map"]]


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/b.png"])
def test_files_outside_the_folder_are_refused(analysis, name):
    index = analysis / "analysis.json"
    content = json.loads(index.read_text())
    content["findings"][0]["png"] = name
    index.write_text(json.dumps(content))
    with pytest.raises(InputError, match="not a file of its folder"):
        read_analysis(analysis)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 99}, "has the format 99, not 1"),
        ({"findings": [{}]}, "is incomplete"),
        ({"findings": 3}, "is incomplete"),
    ],
)
def test_an_index_of_another_kind_is_named(analysis, change, says):
    index = analysis / "analysis.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **change}))
    with pytest.raises(InputError, match=rf"analysis\.json {says}.*artculture analyze"):
        read_analysis(analysis)


def test_a_missing_figure_is_named(analysis):
    (analysis / "distances.png").unlink()
    with pytest.raises(InputError, match=r"distances\.png is missing"):
        read_analysis(analysis)


@pytest.mark.parametrize(("size", "wide"), [((200, 100), True), ((150, 100), False), ((100, 200), False)])
def test_a_wide_figure_keeps_its_size_on_a_phone(analysis, size, wide):
    Image.new("RGB", size).save(analysis / "distances.png")
    found = {finding.name: finding.is_wide for finding in read_analysis(analysis).findings}
    assert found["distances"] is wide
    assert found["feature_maps_dutch"]


def test_the_smaller_file_is_embedded(tmp_path):
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    (tmp_path / "a.svg").write_text("<svg/>" + " " * 10_000)
    assert picture(tmp_path / "a.png", tmp_path / "a.svg").kind == "image/png"
    (tmp_path / "a.svg").write_text("<svg/>")
    shown = picture(tmp_path / "a.png", tmp_path / "a.svg")
    assert (shown.kind, shown.width, shown.height) == ("image/svg+xml", 300, 200)
    assert picture(None, None) is None


def test_a_large_figure_is_made_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (190, 250, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((2000, 1500), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").stat().st_size
    shown = picture(tmp_path / "a.png", None)
    assert before > LARGE_FIGURE
    assert (shown.kind, shown.width, shown.height) == ("image/webp", 1600, 1200)
    assert len(shown.content) < before / 4


@pytest.mark.parametrize(
    ("value", "formatted"),
    [
        (0.41234, "0.412"),
        (-3.14159, "\N{MINUS SIGN}3.14"),
        (12345, "12\N{NARROW NO-BREAK SPACE}345"),
        (1.2e-5, "1.2 \N{MULTIPLICATION SIGN} 10⁻⁵"),
        ([0.1, 0.5], "0.1 to 0.5"),
        (["Dutch", "French"], "Dutch, French"),
        ([], "none"),
        (True, "yes"),
        (None, "none"),
        ([{"a": 1}, {"a": 2}], "a 1; a 2"),
    ],
)
def test_numbers_in_words(value, formatted):
    assert list(formatted_numbers({"some_name": value})) == [("some name", formatted)]


def test_nested_numbers_keep_their_path():
    numbers = {"before": {"ece_if_calibrated": [0.02, 0.05]}, "knn_top1_k1": 0.5, "p_two_sided": 0.01}
    assert [label for label, _ in formatted_numbers(numbers)] == [
        "before temperature scaling: ECE of calibrated probabilities, from its mean to its 95th percentile",
        "right by the nearest neighbour",
        "p-value, two-sided",
    ]


def test_numbers_name_the_label():
    numbers = {"nearest_same_style_interval": [0.5, 0.7], "random_same_art_movement": 0.1}
    assert [label for label, _ in formatted_numbers(numbers)] == [
        "nearest neighbour of the same style, 95 % interval",
        "random painting of the same art movement",
    ]
