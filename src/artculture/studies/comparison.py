"""Paired tests of the rows of a table of results against the best one, on the same test paintings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artculture.evaluation.paired_tests import holm, mcnemar, paired_bootstrap
from artculture.studies.predictions import Reader, correct
from artculture.training.run_directory import RunDirectory

LEVEL = 0.05
# Different test splits are compared on their common paintings if they have this many: fewer say next to nothing.
LEAST_COMMON = 20
DIFFERENCES = ("top1_difference", "macro_recall_difference")

# Values of the column `standing`.
BEST, NOT_WORSE, WORSE, BETTER, NOT_COMPARED = "best", "not worse", "worse", "better", "not compared"
TESTED = (NOT_WORSE, WORSE, BETTER)


def best_rows(summary: pd.DataFrame) -> list[int]:
    """Return the position of the row with the best validation accuracy on each data set."""
    return [int(place) for place in summary.groupby("data", sort=False)["validation"].idxmax()]


def compare_with_best(summary: pd.DataFrame, groups: Sequence[pd.DataFrame], read: Reader) -> pd.DataFrame:
    """Return the summary with the test of each row against the best by validation on the same data.

    Runs are paired by seed, or in the order of their seeds if the rows have none in common, and tested on the
    paintings that are in both test splits. One pair gets McNemar's test, several the p-value of the bootstrap.

    Args:
        summary: rows of the table, numbered from 0.
        groups: runs of each row (`seed`, `folder`).
        read: reader of the predictions of a run directory.

    Returns:
        The summary with `standing` (one of the constants above; "" for the only row of its data), the differences row
        minus best `top1_difference` and `macro_recall_difference` with `_low` and `_high` (fractions), `p` and
        `p_holm` (adjusted for all tests of the table) of top-1, `compared_seeds`, `compared_paintings` (in all pairs),
        and `comparison_remark` (why a row is not compared, or not on all its test paintings).

    Raises:
        InputError: predictions of a run are damaged.
    """
    found: list[dict[str, Any]] = [{} for _ in groups]
    for best in best_rows(summary):
        others = [i for i in range(len(groups)) if i != best and summary["data"][i] == summary["data"][best]]
        found[best] = {"standing": BEST if others else ""}
        for other in others:
            found[other] = _compare(groups[other], groups[best], read)
    tested = [row for row in found if "p" in row]
    for row, adjusted in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = float(adjusted)
        different = BETTER if row["top1_difference"] > 0 else WORSE
        row["standing"] = different if adjusted < LEVEL else NOT_WORSE
    ends = [f"{name}{end}" for name in DIFFERENCES for end in ("", "_low", "_high")]
    columns = ["standing", *ends, "p", "p_holm", "compared_seeds", "compared_paintings", "comparison_remark"]
    table = pd.DataFrame(found, index=summary.index, columns=columns)
    return summary.join(table.astype({"compared_seeds": "Int64", "compared_paintings": "Int64"}))


def _compare(row: pd.DataFrame, best: pd.DataFrame, read: Reader) -> dict[str, Any]:
    pairs, counts = [], []
    for one, other in _pairs(row, best):
        if lacking := next((path for path in (one, other) if not RunDirectory(path).predictions.is_file()), None):
            return {"standing": NOT_COMPARED, "comparison_remark": f"{lacking.name} has no predictions.csv"}
        first, second = _correct(read(one)), _correct(read(other))
        common = pd.concat([first, second], axis=1, join="inner")
        counts.append((len(common), max(len(first), len(second))))
        if len(common) == counts[-1][1] or len(common) >= LEAST_COMMON:
            pairs.append(common)
    if not pairs:
        most = max(count for count, _ in counts)
        remark = f"{most or 'no'} test paintings in common, at least {LEAST_COMMON} needed"
        return {"standing": NOT_COMPARED, "comparison_remark": remark}
    table = pd.concat([pair.iloc[:, 0] - pair.iloc[:, 1] for pair in pairs], axis=1)
    labels = pd.factorize(table.index.get_level_values("culture"))[0]
    top1, recall = paired_bootstrap(table.to_numpy(dtype=np.float64).T, labels)
    result: dict[str, Any] = {"p": mcnemar(*pairs[0].to_numpy().T) if len(pairs) == 1 else top1.p}
    for name, difference in zip(DIFFERENCES, (top1, recall), strict=True):
        result |= {name: difference.value, f"{name}_low": difference.low, f"{name}_high": difference.high}
    result |= {"compared_seeds": len(pairs), "compared_paintings": len(table)}
    return result | {"comparison_remark": _remark(pairs, counts, max(len(row), len(best)))}


def _pairs(row: pd.DataFrame, best: pd.DataFrame) -> list[tuple[Path, Path]]:
    """Return the run directories to compare: equal seeds, which share their split by default, or else any."""
    one, other = (dict(zip(group["seed"], group["folder"], strict=True)) for group in (row, best))
    seeds = sorted(set(one) & set(other))
    if seeds:
        return [(one[seed], other[seed]) for seed in seeds]
    return [(one[a], other[b]) for a, b in zip(sorted(one), sorted(other), strict=False)]


def _correct(predictions: pd.DataFrame) -> pd.Series:
    """Return 1 or 0 per test painting, by its id and its culture: a painting with another label is another question."""
    test = predictions[predictions["split"] == "test"]
    result = correct(test)
    result.index = pd.MultiIndex.from_frame(test[["source", "object_id", "culture"]])
    return result


def _remark(pairs: Sequence[pd.DataFrame], counts: Sequence[tuple[int, int]], seeds: int) -> str:
    parts = []
    if len(pairs) < seeds:
        parts.append(f"{len(pairs)} of {seeds} seeds")
    if any(count < whole for count, whole in counts):
        shared, whole = sum(len(pair) for pair in pairs), sum(whole for _, whole in counts)
        parts.append(f"the {shared} of {whole} test paintings in common")
    return "on " + " and ".join(parts) if parts else ""
