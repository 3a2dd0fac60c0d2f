"""Accuracy of named rows over seeds: trains what is missing, and writes benchmarks/results/accuracy.md.

python -m benchmarks.accuracy --data paintings=PATH styles=PATH --weights PATH [--rows NAME …] [--seeds 0 1 2]
"""

import argparse
import os
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artculture import cli
from artculture.evaluation.intervals import effective_sample_size, interval_over_seeds
from artculture.training.run_directory import RunDirectory
from artculture.utils.hardware import cpu_name

RESULTS = Path(__file__).parent / "results" / "accuracy.md"

# Name of a row to what it adds to USUAL.
ROWS: dict[str, list[str]] = {
    "probe: logistic": ["method=probe"],
    "probe: logistic, logits half adjusted": [
        "method=probe",
        "balance=logit_adjustment",
        "balance.tau=0.5",
        "trainer.monitor=val/macro_recall",
    ],
    "probe: nearest mean": ["method=probe", "method.classifier=nearest_mean"],
    "probe: nearest neighbours": ["method=probe", "method.classifier=knn"],
    "probe: logistic, last vector alone": ["method=probe", "method.stage_statistics=false"],
}
USUAL = ["architecture=efficientnet_lite0", "data=folder", "data.image_size=224", "trainer=cpu", "logger=csv"]


def overrides(row: str, data: str, path: Path, weights: str, seed: int, work: Path) -> list[str]:
    place = [f"study.root={work}", f"study.name={data}", f"seed={seed}"]
    return [*USUAL, f"data.root={path}", f"architecture.weights={weights}", *ROWS[row], *place]


def train(row: str, data: str, path: Path, weights: str, seed: int, work: Path) -> dict[str, Any]:
    """Train a run unless it is finished, and return its result."""
    arguments = overrides(row, data, path, weights, seed, work)
    code = cli.main(["train", *arguments])
    if code:
        raise SystemExit(f"artculture train {shlex.join(arguments)} ended with exit code {code}")
    found = [run for file in work.glob(f"{data}/*/status.json") if _is_run(run := RunDirectory(file.parent), arguments)]
    assert len(found) == 1, f"{len(found)} runs of {arguments}"
    return found[0].read_result()


def _is_run(run: RunDirectory, arguments: Sequence[str]) -> bool:
    # Values are stored as quoted for Hydra.
    return [str(text).replace("'", "") for text in run.status().get("arguments", [])] == list(arguments)


def line(row: str, results: Sequence[dict[str, Any]]) -> str:
    cells = [row, *(_score(results, metric) for metric in ("test_top1", "test_macro_recall", "test_top3"))]
    settings = [result.get("probe", {}) for result in results]
    chosen = [" ".join(f"{key}={each[key]:g}" for key in ("C", "shrinkage", "k") if key in each) for each in settings]
    seconds = [each.get("fit_cpu_seconds", result["seconds"]) for result, each in zip(results, settings, strict=True)]
    return "| " + " | ".join([*cells, ", ".join(chosen), f"{np.median(seconds):.1f}"]) + " |"


def _score(results: Sequence[dict[str, Any]], metric: str) -> str:
    shares = np.array([result[metric] for result in results])
    sizes = [
        min(effective_sample_size(result[metric], result["intervals"][metric]), result["counts"]["test"])
        for result in results
    ]
    low, high = interval_over_seeds(shares, 1 / float(np.mean([1 / size for size in sizes])))
    each = ", ".join(f"{100 * share:.1f}" for share in shares)
    return f"**{100 * shares.mean():.1f}** [{100 * low:.1f}, {100 * high:.1f}] ({each})"


def report(parts: dict[str, dict[str, list[dict[str, Any]]]], command: str) -> str:
    lines = ["# Accuracy", ""]
    versions = next(iter(next(iter(parts.values())).values()))[0]["versions"]
    lines += [
        f"EfficientNet-Lite0 with ImageNet weights at 224 pixels. Measured on {pd.Timestamp.now():%d %B %Y} on "
        f"{cpu_name()}, {os.cpu_count()} cores, load average {os.getloadavg()[2]:.1f}; "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version}" for name, version in versions.items() if name in ("torch", "timm"))
        + ".",
        *("", "```sh", command, "```", ""),
        "Each row is `artculture train` with the options below, once for each seed; a new seed is a new split of",
        "80/10/10. Scores are of the test split in percent: mean, 95 % interval of what to expect from another seed",
        "and other paintings, and in parentheses each seed. Settings were chosen on the validation split, by top-1",
        "where the row says nothing else. Seconds (median) are of a whole training; of a probe they are the CPU time",
        "of the fits, with the features in the cache.",
    ]
    for data, rows in parts.items():
        counts = next(iter(rows.values()))[0]["counts"]
        lines += ["", f"## {data}", "", f"{counts['train']}/{counts['val']}/{counts['test']} paintings of seed 0.", ""]
        lines += ["| row | top-1 | macro recall | top-3 | chosen | seconds |", "|---|---|---|---|---|---:|"]
        lines += [line(row, results) for row, results in rows.items()]
    lines += ["", "## Options", "", f"All rows: `{shlex.join(USUAL)}`", ""]
    names = dict.fromkeys(row for rows in parts.values() for row in rows)
    lines += [f"- {row}: `{shlex.join(ROWS[row])}`" for row in names]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PATH")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("outputs/accuracy"), help="where the runs live")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    parts: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for given in arguments.data:
        name, _, path = given.partition("=")
        for row in arguments.rows:
            results = [train(row, name, Path(path), arguments.weights, seed, work) for seed in arguments.seeds]
            parts.setdefault(name, {})[row] = results
    names = " ".join(given.partition("=")[0] + "=PATH" for given in arguments.data)
    arguments.output.write_text(report(parts, f"python -m benchmarks.accuracy --data {names} --weights PATH"))


if __name__ == "__main__":
    main()
