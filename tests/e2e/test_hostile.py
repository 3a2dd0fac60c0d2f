import pytest

from benchmarks.hostile import CASES
from benchmarks.hostile_cases import measured

# What each case holds against is tested within the process; one of them shows that the measurement itself works.
QUICK = "scripts, formulas and escapes in curate"
SHORT = [
    pytest.param(case, id=case.name, marks=[] if case.name == QUICK else pytest.mark.slow)
    for case in CASES
    if case.short
]


@pytest.mark.parametrize("case", SHORT)
def test_nothing_is_lost_or_leaked(case):
    line = measured(case)
    assert (line.outcome.lost, line.outcome.leaked) == (0, 0), f"{line.outcome.text}\n{line.ended.output}"
