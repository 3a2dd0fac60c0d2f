import json

import pytest
import torch

from artculture.utils.errors import InputError
from tests.integration.benchmarks.test_speed import report

from benchmarks.speed import guard, machine  # isort: skip
from benchmarks.speed.plan import Plan  # isort: skip
from benchmarks.speed.timing import Spread  # isort: skip

RECORDED = {"epoch / recipe": Spread(4.0, 3.0, 5.0), "input / recipe": Spread(10.0, 9.9, 10.1)}


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        ({"epoch / recipe": Spread(2.6, 1.0, 4.0), "input / recipe": Spread(8.5, 8.0, 9.0)}, []),  # within the spread
        ({"epoch / recipe": Spread(2.5, 2.4, 6.0), "input / recipe": Spread(20.0, 20.0, 20.0)}, ["epoch / recipe"]),
        ({"epoch / recipe": Spread(4.0, 4.0, 4.0)}, ["input / recipe"]),  # no longer measured
    ],
)
def test_a_loss_is_more_than_15_percent_below_the_recorded_spread(found, lost):
    assert guard.losses(RECORDED, found) == lost


def test_ratios_are_those_of_lines_that_compare():
    line = report.compared("epoch", "s", [1.0, 2.0], "recipe", [4.0, 6.0], faster_is_less=True)
    assert guard.ratios([line, report.limited("start", "s", [1.0])]) == {"epoch / recipe": Spread(3.5, 3.0, 4.0)}


def test_a_record_is_read_as_it_was_written_and_named_by_machine_and_instructions(tmp_path, capsys):
    guard.record(tmp_path / "r.json", RECORDED, Plan(torch.device("cpu"), gains=False, workers=1), ["--record"])
    assert guard.read_record(tmp_path / "r.json") == RECORDED
    assert json.loads((tmp_path / "r.json").read_text())["command"].endswith("guard --record")
    assert "fails below 2.55" in capsys.readouterr().out
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(InputError, match="is no record of ratios"):
        guard.read_record(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("flags", "expected"), [("avx2 amx_bf16 avx512f", "amx_bf16"), ("sse2 avx2", "avx2"), ("", "none")]
)
def test_results_are_named_by_machine_and_instructions(monkeypatch, flags, expected):
    monkeypatch.setattr(machine, "cpu_flags", lambda: set(flags.split()))
    assert machine.title(torch.device("cpu")).endswith(f", {expected}")
    assert guard.file_name(torch.device("cpu")).endswith(f"-{expected.replace('_', '-')}.json")


def test_a_machine_without_a_record_gets_the_command_that_makes_one(tmp_path, capsys):
    assert guard.main(["--file", str(tmp_path / "none.json")]) == 2
    assert "GUARD=--record" in capsys.readouterr().err
