import pytest

from benchmarks.hostile import CASES
from benchmarks.hostile_cases import measured

SHORT = [pytest.param(case, id=case.name) for case in CASES if case.short]


# What each case holds against is tested within the process, among the tests of its module.
@pytest.mark.slow
@pytest.mark.parametrize("case", SHORT)
def test_nothing_is_lost_or_leaked(case):
    line = measured(case)
    assert (line.outcome.lost, line.outcome.leaked) == (0, 0), f"{line.outcome.text}\n{line.ended.output}"
