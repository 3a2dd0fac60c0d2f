"""Accuracy of named rows over seeds: trains what is missing, and writes benchmarks/results/accuracy.md.

python -m benchmarks.accuracy --data paintings=PATH styles=PATH --weights PATH [--rows NAME …] [--folds 5]

The file is written again after every row. `--finished` trains nothing, and reports what is there. `--folds` adds a
cross-validation of the rows that take seconds, in which every painting is tested once.
"""

import argparse
import os
import platform
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artculture import cli
from artculture.evaluation.intervals import effective_sample_size, interval_over_seeds
from artculture.evaluation.metrics import classification_metrics
from artculture.evaluation.paired_tests import Difference, paired_bootstrap
from artculture.studies.predictions import ID, correct
from artculture.training.result import versions
from artculture.training.run_directory import RunDirectory
from artculture.utils.hardware import cpu_name
from artculture.utils.io import read_json, write_json
from benchmarks.accuracy_rows import DIFFERENCES, ENSEMBLES, EPOCHS, NAMES, PLAIN, PLAIN_SPLIT, QUICK, ROWS, TTA, USUAL

RESULTS = Path(__file__).parent / "results" / "accuracy.md"
# Share of the test paintings of two rows; fewer are another split.
IN_COMMON = 0.9
METRICS = ("top1", "macro_recall", "top3")


@dataclass(frozen=True)
class Outcome:
    """A row's predictions of one seed: a folder with predictions.csv and result.json."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        return read_json(self.folder / "result.json")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Of the test paintings."""
        table = pd.read_csv(self.folder / "predictions.csv", dtype=dict.fromkeys([*ID, "culture"], str))
        return table[table["split"] == "test"].fillna({"source": ""})

    @classmethod
    def pooled(cls, folds: Sequence["Outcome"]) -> "Outcome":
        """Return the outcome of all folds as one, with the facts of the first."""
        found = cls(folds[0].folder)
        found.__dict__["predictions"] = pd.concat([fold.predictions for fold in folds], ignore_index=True)
        return found

    @cached_property
    def scores(self) -> dict[str, Any]:
        probabilities = self.predictions.filter(regex="^p_")
        names = [name.removeprefix("p_") for name in probabilities]
        labels = pd.Index(names).get_indexer(pd.Index(self.predictions["culture"]))
        return classification_metrics(probabilities.to_numpy(dtype=np.float64), labels.astype(np.int64), names)


@dataclass(frozen=True)
class Place:
    """One data set and one seed, or one of `folds`, whose runs are in one folder."""

    data: str
    path: Path
    weights: str
    work: Path
    seed: int = 0
    folds: int | None = None
    fold: int = 0

    def outcome(self, row: str, *, finished: bool) -> Outcome | None:
        """Return the outcome of a row, trained now unless it is there; None for one that `finished` does not find."""
        make: Callable[[str, bool], Path | None] = self._run
        for rows, other in ((TTA, self._with_tta), (ENSEMBLES, self._ensemble), ((PLAIN,), self._plain)):
            make = other if row in rows else make
        folder = make(row, finished)
        return None if folder is None else Outcome(folder)

    def _run(self, row: str, finished: bool) -> Path | None:
        place = [f"study.root={self.work}", f"study.name={self.data}", f"seed={self.seed}"]
        usual = [*USUAL, f"data.root={self.path}", f"architecture.weights={self.weights}"]
        folds = [] if self.folds is None else [f"data.folds={self.folds}", f"data.fold={self.fold}"]
        arguments = [*usual, *ROWS[row], *place, *folds]
        found = self._finished(arguments)
        if found is None and not finished:
            _call("train", arguments)
            found = self._finished(arguments)
        return found

    def _finished(self, arguments: Sequence[str]) -> Path | None:
        for file in self.work.glob(f"{self.data}/*/status.json"):
            status = RunDirectory(file.parent).status()
            # Values are stored as quoted for Hydra.
            given = [str(text).replace("'", "") for text in status.get("arguments", [])]
            if given == list(arguments) and status["state"] == "finished":
                return file.parent
        return None

    def _with_tta(self, row: str, finished: bool) -> Path | None:
        of, choice = TTA[row]
        run = self._run(of, finished)
        if run is None:
            return None
        output = run / "evaluation" / f"tta-{choice.strip('[]')}"
        if not (output / "result.json").is_file():
            if finished:
                return None
            _call("evaluate", [f"checkpoint={run}", f"tta={choice}", f"output={output}"])
        return output

    def _ensemble(self, row: str, finished: bool) -> Path | None:
        names, options = ENSEMBLES[row]
        runs = [self._run(name, finished) for name in names]
        members = [run.name for run in runs if run is not None]
        if len(members) < len(names):
            return None
        before = self._made_of(members)
        if before is None and not finished:
            given = [f"study.root={self.work}", f"study.name={self.data}", f"members=[{','.join(members)}]"]
            _call("ensemble", [*given, *options])
            before = self._made_of(members)
        return before

    def _made_of(self, members: Sequence[str]) -> Path | None:
        for file in self.work.glob(f"{self.data}/ensemble-*/status.json"):
            run = RunDirectory(file.parent)
            stored = (run.read_config() or {}).get("ensemble", {}).get("sha256", {})
            if sorted(stored) == sorted(members) and run.status()["state"] == "finished":
                return file.parent
        return None

    def _plain(self, row: str, finished: bool) -> Path | None:
        folder = self.work / f"{self.data}-plain-{self.seed}"
        if (folder / "result.json").is_file() or finished:
            return folder if (folder / "result.json").is_file() else None
        from benchmarks.plain_timm import train

        run = self._run(PLAIN_SPLIT, finished)
        assert run is not None
        began = time.monotonic()
        train(run / "split.csv", self.path, self.weights, EPOCHS, self.seed, folder)
        write_json(folder / "result.json", {"seconds": time.monotonic() - began})
        return folder


def _call(command: str, arguments: Sequence[str]) -> None:
    code = cli.main([command, *arguments])
    if code:
        raise SystemExit(f"artculture {command} {shlex.join(arguments)} ended with exit code {code}")


def line(row: str, outcomes: Sequence[Outcome]) -> str:
    probes = [outcome.facts.get("probe", {}) for outcome in outcomes]
    chosen = [" ".join(f"{key}={each[key]:g}" for key in ("C", "shrinkage", "k") if key in each) for each in probes]
    seconds = [
        each.get("fit_cpu_seconds", outcome.facts.get("seconds", np.nan))
        for outcome, each in zip(outcomes, probes, strict=True)
    ]
    taken = "" if np.isnan(seconds).any() else f"{np.median(seconds):.1f}"
    cells = [row, *(_score(outcomes, metric) for metric in METRICS)]
    return "| " + " | ".join([*cells, ", ".join(filter(None, chosen)), taken]) + " |"


def _score(outcomes: Sequence[Outcome], metric: str) -> str:
    found = [outcome.scores for outcome in outcomes]
    shares = np.array([scores[metric] for scores in found])
    sizes = [min(effective_sample_size(one[metric], one["intervals"][metric]), one["n"]) for one in found]
    low, high = interval_over_seeds(shares, 1 / float(np.mean([1 / size for size in sizes])))
    each = ", ".join(f"{100 * share:.1f}" for share in shares)
    return f"**{100 * shares.mean():.1f}** [{100 * low:.1f}, {100 * high:.1f}] ({each})"


def differences(rows: dict[str, list[Outcome]]) -> Iterator[str]:
    """Yield a line for each pair of rows of which both are there, with (nearly) the same test paintings."""
    for first, second in DIFFERENCES:
        if first in rows and second in rows:
            pairs = zip(rows[first], rows[second], strict=False)
            tables = [(correct(one.predictions), correct(other.predictions), one) for one, other in pairs]
            if min(len((a - b).dropna()) / max(len(a), len(b)) for a, b, _ in tables) < IN_COMMON:
                continue
            found = pd.concat([(a - b).dropna() for a, b, _ in tables], axis=1)
            cultures = pd.concat([one.predictions.set_index(ID)["culture"] for *_, one in tables])
            labels = pd.factorize(cultures[~cultures.index.duplicated()].loc[found.index])[0]
            top1, recall = paired_bootstrap(found.to_numpy(dtype=np.float64).T, labels.astype(np.int64))
            yield f"| {first} | {second} | {_points(top1)} | {_points(recall)} | {len(tables)} |"


def _points(found: Difference) -> str:
    return f"**{100 * found.value:+.1f}** [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def report(parts: dict[str, dict[str, list[Outcome]]], command: str) -> str:
    installed = ", ".join(f"{name} {version}" for name, version in versions().items() if name in ("torch", "timm"))
    lines = [
        *("# Accuracy", ""),
        f"EfficientNet-Lite0 with ImageNet weights at 224 pixels. Measured on {pd.Timestamp.now():%d %B %Y} on "
        f"{cpu_name()}, {os.cpu_count()} cores, load average {os.getloadavg()[2]:.1f}; "
        f"Python {platform.python_version()}, {installed}.",
        *("", "```sh", command, "```", ""),
        "Each row is `artculture train` with the options below, once for each seed; a new seed is a new split of",
        "80/10/10. Scores are of the test split in percent: mean, 95 % interval of what to expect from another seed",
        "and other paintings, and in parentheses each seed. Settings and epochs were chosen on the validation split,",
        "by top-1 where the row says nothing else. Seconds (median) are of a whole training; of a probe they are the",
        "CPU time of the fits, with the features in the cache.",
    ]
    for data, rows in parts.items():
        lines += ["", f"## {data}", ""]
        counts = next((outcomes[0].facts["counts"] for row, outcomes in rows.items() if row in ROWS), None)
        if counts is not None:
            lines += [f"{counts['train']}/{counts['val']}/{counts['test']} paintings of the first split.", ""]
        lines += ["| row | top-1 | macro recall | top-3 | chosen | seconds |", "|---|---|---|---|---|---:|"]
        lines += [line(row, outcomes) for row, outcomes in rows.items()]
        if compared := list(differences(rows)):
            lines += ["", "First minus second in points, with the 95 % interval of a paired bootstrap:", ""]
            lines += ["| first | second | top-1 | macro recall | seeds |", "|---|---|---|---|---:|", *compared]
    lines += ["", "## Options", "", f"All rows: `{shlex.join(USUAL)}`", ""]
    measured = dict.fromkeys(row for rows in parts.values() for row in rows)
    lines += [f"- {row}: {_options(row)}" for row in measured]
    if missing := [row for row in NAMES if row not in measured]:
        lines += ["", "## Not measured", "", "The command trains these rows, too; they have no results yet.", ""]
        lines += [f"- {row}: {_options(row)}" for row in missing]
    return "\n".join(lines) + "\n"


def _options(row: str) -> str:
    if row in TTA:
        return f"`artculture evaluate checkpoint=… tta={TTA[row][1]}` of *{TTA[row][0]}*"
    if row in ENSEMBLES:
        members, options = ENSEMBLES[row]
        return f"`artculture ensemble {' '.join(options)}` of {', '.join(f'*{member}*' for member in members)}"
    if row == PLAIN:
        return f"`python -m benchmarks.plain_timm --epochs {EPOCHS}` on the same splits"
    return f"`{shlex.join(ROWS[row])}`"


def outcomes_of(row: str, data: str, given: argparse.Namespace) -> Iterator[tuple[str, list[Outcome]]]:
    """Yield a heading and the outcomes below it: of the seeds, and of all folds as one."""
    name, _, path = data.partition("=")
    common = (name, Path(path), given.weights, given.work.resolve())
    found = [Place(*common, seed).outcome(row, finished=given.finished) for seed in given.seeds]
    if there := [outcome for outcome in found if outcome is not None]:
        yield name, there
    if given.folds and row in QUICK:
        places = [Place(*common, 0, given.folds, fold) for fold in range(given.folds)]
        found = [place.outcome(row, finished=given.finished) for place in places]
        there = [outcome for outcome in found if outcome is not None]
        if len(there) == given.folds:
            yield f"{name}, each painting tested once in {given.folds} folds", [Outcome.pooled(there)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PATH")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--rows", nargs="+", choices=NAMES, default=NAMES, metavar="ROW", help="; ".join(NAMES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("outputs/accuracy"), help="where the runs live")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--finished", action="store_true", help="train nothing, and report what is there")
    parser.add_argument("--folds", type=int, help="folds of a cross-validation in addition, as in 5")
    given = parser.parse_args()
    names = " ".join(each.partition("=")[0] + "=PATH" for each in given.data)
    command = f"python -m benchmarks.accuracy --data {names} --weights PATH"
    command += f" --folds {given.folds}" if given.folds else ""
    parts: dict[str, dict[str, list[Outcome]]] = {}
    for row in given.rows:
        for each in given.data:
            for part, outcomes in outcomes_of(row, each, given):
                parts.setdefault(part, {})[row] = outcomes
        if parts:
            given.output.write_text(report(parts, command))


if __name__ == "__main__":
    main()
