"""Compare the speed with what was recorded on this class of machines; fail where it was lost.

`python -m benchmarks.speed.guard` measures ratios to the peers in minutes, and exits with 1 where the median of one is
more than 15 % below the lowest of its recorded repeats. `--record` replaces the record.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import torch

from artculture.utils.errors import InputError
from artculture.utils.io import read_json, write_json
from benchmarks.speed import input_pipeline, limit, machine, ours, training, transfer
from benchmarks.speed.plan import Plan, planned, run_command
from benchmarks.speed.report import Line
from benchmarks.speed.timing import Spread, number

RESULTS = Path(__file__).resolve().parents[1] / "results"
LOSS = 0.15
PARTS = {"input": input_pipeline, "limit": limit, "training": training, "transfer": transfer}
# Small enough for minutes, large enough that a step takes longer than what surrounds it.
SIZES = {
    "repeats": 3,
    "image_size": 128,
    "batch_size": 16,
    "batches": 3,
    "pictures": 48,
    "seconds": 0.5,
    "transfer_pictures": 32,
    "transfer_epochs": 3,
}
Ratios = Mapping[str, Spread]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.guard", description=__doc__)
    parser.add_argument("--record", action="store_true", help="replace the record of this class of machines")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--file", type=Path, help="the record, instead of the one in benchmarks/results")
    return run_command(parser, argv, _guard)


def _guard(given: argparse.Namespace, argv: list[str]) -> int:
    plan = planned(given)
    if not given.quick:
        typed = {name for name in SIZES if getattr(given, name, None) is not None}
        plan = replace(plan, peers="fp32", **{name: value for name, value in SIZES.items() if name not in typed})
    file = given.file or RESULTS / file_name(plan.device)
    if not given.record and not file.is_file():
        raise InputError(f"nothing is recorded for this machine ({file.name}): `make bench-guard GUARD=--record`")
    ours.quiet()
    found = ratios(line for part in given.parts for line in _lines(PARTS[part], plan))
    if given.record:
        record(file, found, plan, argv)
        return 0
    recorded = read_record(file)
    lost = losses(recorded, found)
    for name in recorded:
        now = str(found[name]) if name in found else "not measured"
        sys.stdout.write(f"{'LOST' if name in lost else 'kept'}  {name}: {now}, recorded {recorded[name]}\n")
    return 1 if lost else 0


def _lines(part: object, plan: Plan) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        lines: list[Line] = part.measure(plan, Path(folder))  # type: ignore[attr-defined]
    return lines


def ratios(lines: Iterable[Line]) -> dict[str, Spread]:
    """Return the ratios of lines that compare ours with another side, by what was measured."""
    return {f"{line.what} / {line.other}": line.found for line in lines if line.found is not None}


def losses(recorded: Ratios, found: Ratios) -> list[str]:
    """Return what was lost: a median more than `LOSS` below the lowest recorded repeat, or nothing measured at all."""
    return [
        name for name, before in recorded.items() if name not in found or found[name].median < (1 - LOSS) * before.low
    ]


def record(file: Path, found: Ratios, plan: Plan, argv: list[str]) -> None:
    """Write the ratios with machine, date and command."""
    values = {
        "machine": machine.title(plan.device),
        "flags": machine.flag_class(),
        "date": f"{datetime.now():%Y-%m-%d %H:%M}",
        "command": " ".join(["python -m benchmarks.speed.guard", *argv]),
        "torch": torch.__version__,
        "ratios": {name: asdict(spread) for name, spread in found.items()},
    }
    write_json(file, values)
    for name, spread in found.items():
        sys.stdout.write(f"recorded  {name}: {spread} (fails below {number((1 - LOSS) * spread.low)})\n")


def read_record(file: Path) -> dict[str, Spread]:
    """Return the recorded ratios.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return {name: Spread(**spread) for name, spread in read_json(file)["ratios"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is no record of ratios ({error!r}): `make bench-guard GUARD=--record`") from error


def file_name(device: torch.device) -> str:
    """Return the name of the record of this class of machines."""
    return f"guard-{machine.file_name(device).removesuffix('.md')}.json"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
