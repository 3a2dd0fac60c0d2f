from itertools import combinations

import numpy as np
import pytest

from artculture.collection.grouping.leakage import measure_leakage, part_sizes


def test_the_expectation_is_that_of_all_splits_of_a_small_case():
    groups = ["a", "a", "b", "b", "b", *"cdefg"]  # ten paintings: 8, 1, 1
    split_groups, splits = 0, 0
    for held_out in combinations(range(10), 2):
        parts = [1 if i == held_out[0] else 2 if i == held_out[1] else 0 for i in range(10)]
        split_groups += sum(len({p for g, p in zip(groups, parts, strict=True) if g == name}) > 1 for name in "ab")
        splits += 1
    assert measure_leakage(groups, 0).expected == pytest.approx(split_groups / splits)


def test_one_split_is_counted_as_it_falls():
    groups = [f"{n // 2}" for n in range(200)]
    found = measure_leakage(groups, 3)
    order = np.random.default_rng(3).permutation(200)
    part = dict.fromkeys(order[:160].tolist(), "train") | dict.fromkeys(order[160:180].tolist(), "val")
    names = [part.get(n, "test") for n in range(200)]
    pairs = [(names[n], names[n + 1]) for n in range(0, 200, 2)]
    assert found.split_groups == sum(a != b for a, b in pairs)
    assert found.leaked == sum("train" in pair and pair != ("train", "train") for pair in pairs)
    assert (found.groups, found.paintings, found.held_out) == (100, 200, 40)


def test_single_paintings_never_are_divided():
    found = measure_leakage([f"{n}" for n in range(50)], 0)
    assert (found.split_groups, found.expected) == (0, 0)
    assert "divides none" in str(found)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 6663])
def test_the_parts_hold_every_painting(count):
    assert sum(part_sizes(count)) == count


def test_seeded_splits_average_to_the_expectation():
    groups = [f"{n // 3}" for n in range(300)]
    split_groups = [measure_leakage(groups, seed).split_groups for seed in range(200)]
    error = np.std(split_groups) / np.sqrt(len(split_groups))
    assert abs(np.mean(split_groups) - measure_leakage(groups, 0).expected) < 4 * error
