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
    assert "| rows killed several times that end bit-identical | 1 | 1 | 0 |" in (tmp_path / "table.md").read_text()
