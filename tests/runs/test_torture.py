import re
import subprocess
import sys
from pathlib import Path

TORTURE = Path(__file__).parents[2] / "benchmarks" / "torture.py"


def test_a_short_torture_loses_nothing(tmp_path):
    command = [
        sys.executable,
        TORTURE,
        "--kills",
        "4",
        "--seed",
        "1",
        "--only",
        "kills",
        "--out",
        tmp_path / "table.md",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # How many rows the kills spread over depends on where they land; none may be lost.
    assert re.search(r"end bit-identical \| ([1-9]\d*) \| \1 \| 0 \|", (tmp_path / "table.md").read_text())
