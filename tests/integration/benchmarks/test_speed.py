import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
sys.path.insert(0, str(REPOSITORY))

from artculture.utils.errors import WorkError  # noqa: E402
from benchmarks.speed import __main__ as speed  # noqa: E402
from benchmarks.speed import classic_grid, report, startup, watch  # noqa: E402
from benchmarks.speed.pictures import kilobytes, make_gallery  # noqa: E402
from benchmarks.speed.timing import Spread, interleaved, number  # noqa: E402

# Of the benchmarks, not of the package.
pytestmark = pytest.mark.slow

STUB = ("--architecture", "architecture=timm", "architecture.name=test_resnet")


def counting(calls: list[str], name: str) -> Callable[[], float]:
    def side() -> float:
        calls.append(name)
        return float(len(calls))

    return side


def test_sides_take_turns_and_the_first_turn_does_not_count():
    calls: list[str] = []
    found = interleaved("part", {name: counting(calls, name) for name in ("a", "b")}, repeats=2)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": [4, 5], "b": [3, 6]}


def test_a_ratio_is_taken_turn_by_turn():
    line = report.compared("epoch", "s", [1.0, 2.0, 4.0], "them", [3.0, 4.0, 4.0], faster_is_less=True, target=2.5)
    assert line.ratio == "2 (1–3)×"
    assert line.cells()[-2:] == ("≥ 2.5×", "**NO**")


@pytest.mark.parametrize(("target", "said"), [(10.0, "yes"), (10.1, "**NO**"), (None, "")])
def test_a_target_is_reached_by_the_median_alone(target, said):
    line = report.compared("input", "images/s", [10.0, 30.0, 1.0], "them", [1.0, 1.0, 1.0], target=target)
    assert line.cells()[-1] == said


@pytest.mark.parametrize(("seconds", "said"), [(6.0, "yes"), (6.1, "**NO**")])
def test_a_limit_may_be_met_exactly(seconds, said):
    assert report.limited("start", "s", [seconds], 6.0).cells()[-1] == said


def test_the_spread_names_median_and_both_ends():
    assert str(Spread.of([3.0, 1.0, 1234.0])) == "3 (1–1,234)"
    assert [number(value) for value in (0, 0.012345, 99.96)] == ["0", "0.0123", "100"]


def test_a_part_measured_again_replaces_its_own_section_alone(tmp_path):
    for name, body in (("Input", "old"), ("Memory", "kept"), ("Input", "new")):
        report.keep(tmp_path / "results" / "m.md", "Speed", name, body)
    text = (tmp_path / "results" / "m.md").read_text()
    assert text == "# Speed\n\n## Input\n\nnew\n\n## Memory\n\nkept\n"


def test_every_picture_has_a_path_of_its_own(tmp_path):
    make_gallery(tmp_path, 100, held_out=2, shorter_side=24)
    assert len(list(tmp_path.glob("train/*/*.jpg"))) == 100
    assert len((tmp_path / "manifest.csv").read_text().splitlines()) == 1 + 104


def test_drawn_pictures_have_the_weight_of_paintings_on_the_web(tmp_path):
    assert 60 < kilobytes(make_gallery(tmp_path, 2)) < 150


def test_real_pictures_are_linked_and_left_as_they_are(tmp_path):
    real = make_gallery(tmp_path / "real", 3, shorter_side=24) / "drawn"
    gallery = make_gallery(tmp_path / "gallery", 5, source=real)
    contents = {path.read_bytes() for path in gallery.glob("train/*/*.jpg")}
    assert contents == {path.read_bytes() for path in real.iterdir()}


def test_a_failing_command_is_named_with_its_last_words():
    with pytest.raises(WorkError, match=r"(?s)ended with 2:.*no command `nonsense`"):
        watch.run(["artculture", "nonsense"])


def test_phases_of_a_start_add_up():
    turns = [{"config": 1.0, "imports": 3.0, "first step": 3.5}]
    assert startup._lengths(turns) == {"config": [1.0], "imports": [2.0], "first step": [0.5]}


def test_the_plain_script_trains_the_rows_of_table_2():
    (line,) = [text for text in (REPOSITORY / "conf/study/table2.yaml").read_text().splitlines() if " row: " in text]
    rows = [row.split("_") for row in line.split(": ")[1].replace("vgg16_bn", "vgg16-bn").split(",")]
    assert [tuple(part.replace("-", "_") for part in row) for row in rows] == list(classic_grid.ROWS)


# timm leaves the files that it read to the garbage collector (timm/data/dataset.py).
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_input_pipeline_is_measured_and_kept(tmp_path, capsys):
    kept = tmp_path / "kept.md"
    assert speed.main(["--quick", "--only", "input", "--workers", "0", "--results", str(kept), *STUB]) == 0
    assert "| input pipeline on one core, warm cache" in kept.read_text()
    assert kept.read_text().split("## ")[1] in capsys.readouterr().out


def test_a_folder_without_jpegs_is_the_users_mistake(tmp_path, capsys):
    assert speed.main(["--quick", "--only", "input", "--images", str(tmp_path)]) == 2
    assert f"--images {tmp_path}: no JPEG in it" in capsys.readouterr().err


@pytest.mark.slow
def test_every_part_is_measured(tmp_path):
    command = [sys.executable, "-m", "benchmarks.speed", "--quick", "--results", str(tmp_path / "kept.md"), *STUB]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    text = (tmp_path / "kept.md").read_text()
    assert [f"## {name}\n" in text for name, _ in speed.PARTS.values()] == [True] * len(speed.PARTS)
