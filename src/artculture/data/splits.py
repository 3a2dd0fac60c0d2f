"""Assignment of paintings to train, validation and test, as a pure function of the manifest and a seed."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.copies import is_exact_copy, merge_groups
from artculture.data.manifest import SPLITS
from artculture.utils.errors import InputError

log = logging.getLogger(__name__)

# A culture needs a group in each of the three splits.
SMALLEST = 3
# Column of values that are each in one split; no column of a file has spaces around its name.
DISJOINT = " disjoint"


def assign_splits(
    table: pd.DataFrame, how: str, fractions: list[float], seed: int, *, complete: bool = True
) -> pd.Series:
    """Return the split of each row of a manifest's table.

    Args:
        table: a manifest's rows, any order: the order does not change the outcome.
        how: `stratified` (per culture, groups kept together), `random` (single paintings, as in the paper, but exact
            copies, near-duplicates and the values of `DISJOINT` kept together) or `stored` (the table's own column).
        fractions: shares of train, val and test, summing to 1.
        seed: seed of the shuffle.
        complete: draw the validation or test split that is not stored from the training paintings.

    Returns:
        One of `train`, `val`, `test` per row, on the table's index.

    Raises:
        InputError: `stored`, and the table stores none, not for every row, or no training paintings.
    """
    if how == "stored":
        return _stored(table, fractions, seed, complete=complete)
    rng = np.random.default_rng(seed)
    if how == "random":
        columns = ["source", "object_id", "sha256", *(name for name in ("near", DISJOINT) if name in table)]
        ordered = table[columns].sort_values(["source", "object_id"], kind="stable")
        return _random(ordered, fractions, rng).reindex(table.index)
    return _stratified(table, fractions, rng)


def assign_folds(table: pd.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, 0 … folds - 1: of each culture about the same number, each group in one fold.

    Args:
        table: columns `group` and `culture`; the order of its rows does not change the outcome.
        folds: their number.
        seed: seed of the shuffle.
    """
    rng, groups = np.random.default_rng(seed), _groups(table)
    fold = np.zeros(len(groups.sizes), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    # Largest cultures first: the rests of the small ones then even out the folds.
    sizes = np.bincount(groups.culture, weights=groups.sizes, minlength=len(groups.cultures))
    for culture in np.argsort(-sizes, kind="stable"):
        shuffled = rng.permutation(np.flatnonzero(groups.culture == culture))
        members = shuffled[np.argsort(-groups.sizes[shuffled], kind="stable")]
        order = np.argsort(filled, kind="stable")  # the emptiest fold is the first where all lack as much
        lacking = np.full(folds, int(sizes[culture]) // folds, dtype=np.int64)
        for run in np.split(members, np.flatnonzero(np.diff(groups.sizes[members])) + 1):
            size = int(groups.sizes[run[0]])
            place = _distribute(lacking, size, len(run))
            lacking -= np.bincount(place, minlength=folds) * size
            fold[run] = order[place]
        filled += np.bincount(fold[members], weights=groups.sizes[members], minlength=folds).astype(np.int64)
    return fold[groups.of_row]


def assign_splits_of_fold(table: pd.DataFrame, folds: int, fold: int, fractions: list[float], seed: int) -> pd.Series:
    """Return the split of each row in a cross-validation: one fold is `test`, the rest `train` and `val`.

    Args:
        table: a manifest's rows, any order.
        folds: number of folds.
        fold: the one that is tested, from 0.
        fractions: shares of train, val and test, of which the first two divide the rest.
        seed: of the folds, which are those of every `fold`, and of the division.

    Raises:
        InputError: no class has two groups outside of the fold.
    """
    tested = assign_folds(table, folds, seed) == fold
    train, val, rest = fractions[0], fractions[1], table[~tested]
    drawn = _stratified(rest, [train / (train + val), val / (train + val), 0.0], np.random.default_rng(seed))
    # A third part is never empty, and has nothing to hold out here.
    split = drawn.where(drawn == "val", "train")
    groups = _groups(rest)
    for culture in range(len(groups.cultures)):
        members = np.flatnonzero(groups.culture == culture)
        if len(members) == SMALLEST - 1:  # too few for three parts, and enough for two
            split[groups.of_row == members[groups.sizes[members].argmin()]] = "val"
    if not (split == "val").any():
        raise InputError(
            f"data.folds={folds}: without fold {fold}, no class has two groups of paintings, so that none are left "
            "for validation: use more folds or more paintings"
        )
    return split.reindex(table.index).fillna("test")


def small_cultures(table: pd.DataFrame) -> dict[str, int]:
    """Return the cultures that cannot be in every split, with their number of groups (fewer than three).

    Rows without a culture, which have other labels, are split like those of one culture.
    """
    groups = _groups(table)
    counts = np.bincount(groups.culture, minlength=len(groups.cultures)).tolist()
    return {culture: n for culture, n in zip(groups.cultures, counts, strict=True) if culture and 0 < n < SMALLEST}


def count_leaking_groups(table: pd.DataFrame, split: pd.Series) -> int:
    """Return how many groups have paintings in more than one split (0 for a stratified split)."""
    return int((split.groupby(table["group"]).nunique() > 1).sum())


def _stored(table: pd.DataFrame, fractions: list[float], seed: int, *, complete: bool) -> pd.Series:
    if "split" not in table or (table["split"] == "").any():
        raise InputError("data.split=stored, but the manifest has no split for every row; use data.split=stratified")
    split = table["split"]
    unknown = split[~split.isin(SPLITS)]
    if len(unknown):
        raise InputError(
            f"data.split=stored, but the split of {len(unknown)} row(s) is `{unknown.iloc[0]}` (first: "
            f"{table.loc[unknown.index[0], 'image']}), not one of train, val (validation, dev) and test"
        )
    missing = [name for name in SPLITS if not (split == name).any()]
    if not complete or not missing:
        return split
    if "train" in missing:
        raise InputError("data.split=stored, but no painting of the manifest is in `train`")
    log.info("no %s split is stored: drawn from the training paintings by data.fractions", " and no ".join(missing))
    training = table[split == "train"]
    shares = [share if name in ("train", *missing) else 0.0 for name, share in zip(SPLITS, fractions, strict=True)]
    total = sum(shares)
    drawn = _stratified(training, [share / total for share in shares], np.random.default_rng(seed))
    return drawn.where(drawn.isin(missing), "train").reindex(table.index).fillna(split)


def _random(ordered: pd.DataFrame, fractions: list[float], rng: np.random.Generator) -> pd.Series:
    # Exact copies and near-duplicates are one picture: they follow the first of them.
    names = ordered["sha256"].where(is_exact_copy(ordered), ordered.index.to_series().astype(str))
    if "near" in ordered:
        names = names.where(ordered["near"] == "", "near " + ordered["near"])
    if DISJOINT in ordered:
        names = merge_groups(pd.DataFrame({"group": names}), ordered[DISJOINT])["group"]
    unit, units = pd.factorize(names)
    n = len(units)
    val, test = _held_out_counts(n, fractions)
    splits = np.array(["train"] * (n - val - test) + ["val"] * val + ["test"] * test)
    return pd.Series(splits[rng.permutation(n)][unit], index=ordered.index)


def _held_out_counts(n: int, fractions: list[float]) -> tuple[int, int]:
    return max(1, round(n * fractions[1])), max(1, round(n * fractions[2]))


@dataclass(frozen=True)
class _Groups:
    """Groups of a table as integer arrays, because millions of Python objects would take gigabytes.

    Attributes:
        of_row: group of each row, int64.
        sizes: paintings per group, int64.
        cultures: names, ascending.
        culture: the number of each group's culture, its most frequent one (the first by name where two are equal).
    """

    of_row: NDArray[np.int64]
    sizes: NDArray[np.int64]
    cultures: list[str]
    culture: NDArray[np.int64]


def _groups(table: pd.DataFrame) -> _Groups:
    of_row, names = pd.factorize(table["group"], sort=True)
    labels, cultures = pd.factorize(table["culture"], sort=True)
    pairs, counts = np.unique(of_row.astype(np.int64) * len(cultures) + labels, return_counts=True)
    group, culture = np.divmod(pairs, len(cultures))
    order = np.lexsort((culture, -counts, group))
    first = order[np.unique(group[order], return_index=True)[1]]
    sizes = np.bincount(of_row, minlength=len(names)).astype(np.int64)
    return _Groups(of_row.astype(np.int64), sizes, [str(name) for name in cultures], culture[first])


def _stratified(table: pd.DataFrame, fractions: list[float], rng: np.random.Generator) -> pd.Series:
    groups = _groups(table)
    split = np.zeros(len(groups.sizes), dtype=np.int8)
    for culture in range(len(groups.cultures)):
        members = np.flatnonzero(groups.culture == culture)
        if len(members) >= SMALLEST:
            split[members] = _split_culture(groups.sizes[members], fractions, rng)
    return pd.Series(np.array(SPLITS)[split[groups.of_row]], index=table.index)


def _split_culture(sizes: NDArray[np.int64], fractions: list[float], rng: np.random.Generator) -> NDArray[np.int8]:
    """Return the split of each of a culture's groups, as an index into `SPLITS`."""
    # Largest groups first, each to the split that lacks most: large albums go to train, and the held-out splits
    # consist of many small groups, which lowers the variance of their estimates.
    shuffled = rng.permutation(len(sizes))
    shuffled = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    total = int(sizes.sum())
    val, test = _held_out_counts(total, fractions)
    lacking = np.array([total - val - test, val, test])
    split = np.zeros(len(sizes), dtype=np.int8)
    # The last groups are reserved for splits that are still empty; those before them are assigned by size alone.
    free, last = shuffled[: -len(SPLITS)], shuffled[-len(SPLITS) :]
    for run in np.split(free, np.flatnonzero(np.diff(sizes[free])) + 1):
        if len(run):
            split[run] = _distribute(lacking, int(sizes[run[0]]), len(run))
            lacking -= np.bincount(split[run], minlength=len(SPLITS)) * sizes[run[0]]
    placed = set(split[free].tolist())
    for left, group in zip(range(len(last), 0, -1), last, strict=True):
        empty = [number for number in range(len(SPLITS)) if number not in placed]
        among = empty if left <= len(empty) else list(range(len(SPLITS)))
        split[group] = max(among, key=lambda number: lacking[number])
        placed.add(int(split[group]))
        lacking[split[group]] -= sizes[group]
    return split


def _distribute(lacking: NDArray[np.int64], size: int, count: int) -> NDArray[np.int64]:
    """Return the splits of `count` groups of one size, assigned one after the other to the split that lacks most."""
    # What a split lacks falls by `size` with each group, so the greedy choice is a merge of three decreasing sequences.
    levels = lacking[:, None] - size * np.arange(count)
    numbers = np.repeat(np.arange(len(lacking)), count)
    return numbers[np.argsort(-levels.ravel(), kind="stable")[:count]]
