"""Run the commands on hostile servers and files; measure bytes, seconds and peak memory, and judge each outcome.

Run it with `make hostile`; the short form is a test. The table goes to benchmarks/results/hostile.md.
"""

import argparse
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY)]

from artculture.utils.hardware import cores, cpu_name  # noqa: E402
from artculture.utils.io import write_text  # noqa: E402
from benchmarks import hostile_files, hostile_network  # noqa: E402
from benchmarks.hostile_cases import Case, Line, measured  # noqa: E402

CASES: tuple[Case, ...] = (*hostile_network.CASES, *hostile_files.CASES)
RESULTS = REPOSITORY / "benchmarks" / "results" / "hostile.md"


def table(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the lines of the Markdown page."""
    yield "# Hostile inputs\n"
    yield f"{datetime.now():%Y-%m-%d %H:%M}, {cpu_name()}, {cores()} cores, Python {platform.python_version()}."
    yield "By `make hostile`. Bytes are those of the hostile file, or what the server had sent by the end; seconds and"
    yield "peak memory are those of the whole command, its start included.\n"
    yield "| case | bytes | seconds | peak memory, MB | outcome | lost | leaked |"
    yield "|---|---:|---:|---:|---|---:|---:|"
    for line in lines:
        outcome = line.outcome.text.replace("|", "\\|")
        yield (
            f"| {line.name} | {line.size:,} | {line.ended.seconds:.1f} | {line.ended.megabytes:.0f} | {outcome} "
            f"| {line.outcome.lost} | {line.outcome.leaked} |"
        )
    lost, leaked = (sum(getattr(line.outcome, name) for line in lines) for name in ("lost", "leaked"))
    yield f"\n{len(lines)} cases; lost: {lost}, leaked: {leaked}."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen cases; return 0 if nothing was lost or leaked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only the cases that the tests run")
    parser.add_argument("--only", default="", help="only the cases whose name contains this text")
    parser.add_argument("--out", type=Path, help="Markdown file; without it, only all cases together are kept")
    given = parser.parse_args(argv)
    chosen = [case for case in CASES if given.only in case.name and (case.short or not given.short)]
    lines = []
    for case in chosen:
        line = measured(case)
        lines.append(line)
        sys.stderr.write(f"{line.name}: {line.outcome.text} ({line.ended.seconds:.1f} s)\n")
    text = "\n".join(table(lines)) + "\n"
    sys.stdout.write(text)
    if out := given.out or (RESULTS if len(chosen) == len(CASES) else None):
        write_text(out, text)
    return 0 if all(line.outcome.lost == line.outcome.leaked == 0 for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
