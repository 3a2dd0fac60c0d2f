"""Train, validation and test: which painting goes where, as a pure function of the manifest and a seed."""

import numpy as np
import pandas as pd

from artculture.data.manifest import SPLITS
from artculture.errors import InputError

# A culture needs a group in each of the three splits.
SMALLEST = 3


def assign_splits(table: pd.DataFrame, how: str, fractions: list[float], seed: int) -> pd.Series:
    """The split of each row of a manifest's table.

    Args:
        table: a manifest's rows, any order: the order does not change the outcome.
        how: `stratified` (each culture by itself, a group stays together), `random` (paintings alone, as the
            paper did) or `stored` (the table's own column).
        fractions: shares of train, val and test, summing to 1.
        seed: of the shuffle.

    Returns:
        One of `train`, `val`, `test` a row, on the table's index.

    Raises:
        InputError: `stored`, and the manifest stores none or not for every row.
    """
    if how == "stored":
        return _stored(table)
    rng = np.random.default_rng(seed)
    ordered = table.sort_values(["source", "object_id"], kind="stable")
    if how == "random":
        return _random(ordered, fractions, rng).reindex(table.index)
    return _stratified(ordered, fractions, rng).reindex(table.index)


def small_cultures(table: pd.DataFrame) -> dict[str, int]:
    """Cultures that can't be in every split, with their number of groups (fewer than three)."""
    groups = _group_cultures(table).value_counts()
    return {str(culture): int(n) for culture, n in groups.items() if n < SMALLEST}


def straddling_groups(table: pd.DataFrame, split: pd.Series) -> int:
    """How many groups have paintings in more than one split (0 for a stratified split)."""
    return int((split.groupby(table["group"]).nunique() > 1).sum())


def _stored(table: pd.DataFrame) -> pd.Series:
    if "split" not in table or (table["split"] == "").any():
        raise InputError("data.split=stored, but the manifest has no split for every row; use data.split=stratified")
    missing = [name for name in SPLITS if not (table["split"] == name).any()]
    if missing:
        raise InputError(f"data.split=stored, but no painting of the manifest is in `{missing[0]}`")
    return table["split"]


def _random(ordered: pd.DataFrame, fractions: list[float], rng: np.random.Generator) -> pd.Series:
    n = len(ordered)
    val, test = _held_out(n, fractions)
    names = np.array(["train"] * (n - val - test) + ["val"] * val + ["test"] * test)
    return pd.Series(names[rng.permutation(n)], index=ordered.index)


def _held_out(n: int, fractions: list[float]) -> tuple[int, int]:
    return max(1, round(n * fractions[1])), max(1, round(n * fractions[2]))


def _group_cultures(table: pd.DataFrame) -> pd.Series:
    """The culture of each group: its most frequent one (the first by name where two are equal)."""
    counts = table.groupby(["group", "culture"]).size().reset_index(name="n")
    first = counts.sort_values(["group", "n", "culture"], ascending=[True, False, True])
    return first.drop_duplicates("group").set_index("group")["culture"]


def _stratified(ordered: pd.DataFrame, fractions: list[float], rng: np.random.Generator) -> pd.Series:
    sizes = ordered.groupby("group", sort=False).size()
    split_of_group: dict[str, str] = {}
    for _, names in _group_cultures(ordered).groupby(_group_cultures(ordered), sort=True):
        groups = list(names.index)
        if len(groups) < SMALLEST:
            split_of_group.update(dict.fromkeys(groups, "train"))
            continue
        split_of_group.update(_split_culture(groups, sizes, fractions, rng))
    return ordered["group"].map(split_of_group)


def _split_culture(
    groups: list[str], sizes: pd.Series, fractions: list[float], rng: np.random.Generator
) -> dict[str, str]:
    # Largest groups first, each to the split that lacks most: big albums train, the held-out splits are made of
    # many small groups, which is what an estimate wants.
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    shuffled.sort(key=lambda group: -int(sizes[group]))
    total = int(sizes[groups].sum())
    val, test = _held_out(total, fractions)
    lacking = {"train": total - val - test, "val": val, "test": test}
    placed: dict[str, str] = {}
    for position, group in enumerate(shuffled):
        empty = [name for name in SPLITS if name not in placed.values()]
        last_chance = len(shuffled) - position <= len(empty)
        split = max(empty if last_chance else SPLITS, key=lambda name: lacking[name])
        placed[group] = split
        lacking[split] -= int(sizes[group])
    return placed
