import numpy as np
import pandas as pd
import pytest

from artculture.data.splits import (
    assign_folds,
    assign_splits,
    assign_splits_of_fold,
    count_leaking_groups,
    small_cultures,
)
from artculture.utils.errors import InputError

FRACTIONS = [0.8, 0.1, 0.1]


def counts(table: pd.DataFrame, split: pd.Series, culture: str) -> list[int]:
    of = split[table["culture"] == culture]
    return [int((of == name).sum()) for name in ("train", "val", "test")]


@pytest.mark.parametrize("n", [10, 15, 40, 99, 101, 250])
def test_each_culture_is_split_80_10_10(rows, n):
    table = rows(Dutch=[1] * n, Indian=[1] * 37)
    split = assign_splits(table, "stratified", FRACTIONS, 0)
    for culture, total in {"Dutch": n, "Indian": 37}.items():
        train, val, test = counts(table, split, culture)
        assert train + val + test == total
        assert abs(val - total / 10) <= 0.5
        assert abs(test - total / 10) <= 0.5


def test_other_fractions(rows):
    table = rows(Dutch=[1] * 200)
    split = assign_splits(table, "stratified", [0.5, 0.2, 0.3], 0)
    assert counts(table, split, "Dutch") == [100, 40, 60]


@pytest.mark.parametrize("seed", range(8))
def test_no_group_is_parted(rows, seed):
    sizes = np.random.default_rng(seed).integers(1, 9, 40).tolist()
    table = rows(Dutch=sizes, Indian=[1] * 30, Chinese=[12, 5, 4, 1, 1])
    split = assign_splits(table, "stratified", FRACTIONS, seed)
    assert split.groupby(table["group"]).nunique().max() == 1
    assert count_leaking_groups(table, split) == 0


def test_albums_leave_the_held_out_splits_their_size(rows):
    table = rows(Dutch=[20, 10, 5, *[1] * 65])
    train, val, test = counts(table, assign_splits(table, "stratified", FRACTIONS, 3), "Dutch")
    assert (train, val, test) == (80, 10, 10)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [50, 1, 1], [7, 7, 7], [2, 30, 2]])
def test_a_culture_of_three_groups_is_in_every_split(rows, sizes):
    table = rows(Dutch=sizes, Indian=[1] * 20)
    split = assign_splits(table, "stratified", FRACTIONS, 0)
    assert min(counts(table, split, "Dutch")) > 0
    assert counts(table, split, "Dutch")[0] == max(sizes)


def test_too_small_cultures_are_named_with_their_groups(rows):
    table = rows(Dutch=[1, 1, 1], Indian=[9, 4], Chinese=[30], Spanish=[1] * 5)
    assert small_cultures(table) == {"Indian": 2, "Chinese": 1}
    assert set(assign_splits(table, "stratified", FRACTIONS, 0)[table["culture"] == "Indian"]) == {"train"}


@pytest.mark.parametrize("how", ["stratified", "random"])
def test_the_order_of_rows_does_not_matter(rows, how):
    table = rows(Dutch=[1] * 30, Indian=[2] * 9)
    shuffled = table.sample(frac=1, random_state=1)
    split, again = assign_splits(table, how, FRACTIONS, 5), assign_splits(shuffled, how, FRACTIONS, 5)
    assert list(again.index) == list(shuffled.index)
    pd.testing.assert_series_equal(split, again.sort_index(), check_names=False)


@pytest.mark.parametrize("how", ["stratified", "random"])
def test_seeds_differ_and_repeat(rows, how):
    table = rows(Dutch=[1] * 50)
    first, again, other = (assign_splits(table, how, FRACTIONS, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(("n", "held_out"), [(10, 1), (104, 10), (105, 10), (106, 11), (1000, 100), (3, 1)])
def test_random_counts_are_exact(rows, n, held_out):
    split = assign_splits(rows(Dutch=[1] * n), "random", FRACTIONS, 0)
    assert split.value_counts().to_dict() == {"train": n - 2 * held_out, "val": held_out, "test": held_out}


def test_random_parts_groups_and_the_count_says_so(rows):
    table = rows(Dutch=[10] * 30)
    assert count_leaking_groups(table, assign_splits(table, "random", FRACTIONS, 0)) > 10


def test_straddling_groups_are_counted(rows):
    table = rows(Dutch=[2, 2, 3, 1])
    split = pd.Series(["train", "val", "train", "train", "train", "test", "val", "test"], index=table.index)
    assert count_leaking_groups(table, split) == 2


def test_stored_is_taken_as_it_stands(rows):
    table = rows(Dutch=[1] * 4).assign(split=["val", "train", "test", "train"])
    assert list(assign_splits(table, "stored", FRACTIONS, 0)) == ["val", "train", "test", "train"]


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (None, "no split for every row"),
        (["train", "", "val", "test"], "no split for every row"),
        (["val", "val", "val", "test"], "is in `train`"),
        (["train", "val", "test", "held out"], "1 row.s. is `held out`"),
    ],
)
def test_a_stored_split_must_be_whole(rows, stored, says):
    table = rows(Dutch=[1] * 4)
    with pytest.raises(InputError, match=says):
        assign_splits(table if stored is None else table.assign(split=stored), "stored", FRACTIONS, 0)


def test_a_group_of_two_cultures_is_not_parted(rows):
    table = rows(Dutch=[1] * 10, Flemish=[1] * 10)
    table.loc[[0, 1, 10], "group"] = "one album"
    split = assign_splits(table, "stratified", FRACTIONS, 0)
    assert split[[0, 1, 10]].nunique() == 1


def _collection() -> pd.DataFrame:
    """Five cultures of 3 to 120 paintings, a third of them in groups of up to nine."""
    rng = np.random.default_rng(0)
    culture = np.repeat(["a", "b", "c", "d", "e"], [120, 60, 20, 7, 3])
    group = np.where(rng.random(210) < 0.3, rng.integers(0, 12, 210), np.arange(210) + 100)
    names = pd.Series(culture) + group.astype(str)
    return pd.DataFrame({"culture": culture, "group": names.to_numpy()})


def test_folds_are_even_keep_groups_and_do_not_depend_on_the_order():
    table = _collection()
    fold = pd.Series(assign_folds(table, 5, seed=1), index=table.index)
    assert (fold.groupby(table["group"]).nunique() == 1).all()
    assert fold.value_counts().max() - fold.value_counts().min() <= 3
    counts = pd.crosstab(table["culture"], fold)
    assert (counts.max(axis=1) - counts.min(axis=1) <= 9).all()
    assert counts.loc["e"].tolist().count(1) == 3
    shuffled = table.sample(frac=1, random_state=2)
    assert pd.Series(assign_folds(shuffled, 5, seed=1), index=shuffled.index).sort_index().equals(fold)
    assert (assign_folds(table, 5, seed=2) != fold).any()


def test_every_painting_is_tested_in_one_fold_and_no_group_is_in_two_splits():
    table = _collection()
    splits = [assign_splits_of_fold(table, 5, fold, [0.8, 0.1, 0.1], seed=0) for fold in range(5)]
    assert (sum((split == "test").astype(int) for split in splits) == 1).all()
    for split in splits:
        assert count_leaking_groups(table, split) == 0
        assert set(split) == {"train", "val", "test"}
        assert (split == "val").sum() == pytest.approx(210 / 5 * 4 / 9, abs=6)


def test_two_groups_next_to_the_tested_fold_are_enough_for_training_and_validation():
    table = pd.DataFrame({"culture": ["a"] * 8, "group": ["a1"] * 3 + ["a2"] * 2 + ["a3"] * 2 + ["a4"]})
    for fold in range(2):
        assert set(assign_splits_of_fold(table, 2, fold, FRACTIONS, seed=0)) == {"train", "val", "test"}
    with pytest.raises(InputError, match="no class has two groups"):
        assign_splits_of_fold(table[:5], 2, 0, FRACTIONS, seed=0)
