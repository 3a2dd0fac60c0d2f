import pytest

from benchmarks.hostile import CASES
from benchmarks.hostile_cases import measured


@pytest.mark.parametrize("case", [case for case in CASES if case.short], ids=lambda case: case.name)
def test_nothing_is_lost_or_leaked(case):
    line = measured(case)
    assert (line.outcome.lost, line.outcome.leaked) == (0, 0), f"{line.outcome.text}\n{line.ended.output}"
