import re
import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).parents[3] / "benchmarks" / "torture.py"


def tortured(tmp_path, *arguments: str) -> str:
    """The table of a short torture that loses nothing."""
    command = [sys.executable, TORTURE, *arguments, "--out", tmp_path / "table.md"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return (tmp_path / "table.md").read_text()


@pytest.mark.slow
def test_a_short_torture_loses_nothing(tmp_path):
    table = tortured(tmp_path, "--kills", "4", "--seed", "1", "--only", "kills")
    # How many rows the kills spread over depends on where they land; none may be lost.
    assert re.search(r"end bit-identical \| ([1-9]\d*) \| \1 \| 0 \|", table)


# The same garbage within the process: tests/integration/test_damaged_files.py, tests/unit/data/test_quarantine.py.
@pytest.mark.slow
def test_garbage_is_reported_or_repaired(tmp_path):
    table = tortured(tmp_path, "--files", "10", "--seed", "1", "--only", "garbage")
    for line in ("bad pictures quarantined with the reason", "odd pictures read with their colours"):
        tried = re.search(rf"{line} \| (\d+) \| \1 \| 0 \|", table)
        assert tried
        assert int(tried[1]) > 30
    assert len(re.findall(r"mutated .* \| 1 \| 1 \| 0 \|", table)) == 10
