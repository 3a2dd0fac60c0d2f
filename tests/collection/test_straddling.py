from itertools import combinations

import numpy as np
import pytest

from artculture.collection.straddling import part_sizes, straddling


def test_the_expectation_is_that_of_all_splits_of_a_small_case():
    groups = ["a", "a", "b", "b", "b", *"cdefg"]  # ten paintings: 8, 1, 1
    parted, splits = 0, 0
    for held_out in combinations(range(10), 2):
        parts = [1 if i == held_out[0] else 2 if i == held_out[1] else 0 for i in range(10)]
        parted += sum(len({p for g, p in zip(groups, parts, strict=True) if g == name}) > 1 for name in "ab")
        splits += 1
    assert straddling(groups, 0).expected == pytest.approx(parted / splits)


def test_one_split_is_counted_as_it_falls():
    groups = [f"{n // 2}" for n in range(200)]
    found = straddling(groups, 3)
    order = np.random.default_rng(3).permutation(200)
    part = dict.fromkeys(order[:160].tolist(), "train") | dict.fromkeys(order[160:180].tolist(), "val")
    names = [part.get(n, "test") for n in range(200)]
    pairs = [(names[n], names[n + 1]) for n in range(0, 200, 2)]
    assert found.parted == sum(a != b for a, b in pairs)
    assert found.leaked == sum("train" in pair and pair != ("train", "train") for pair in pairs)
    assert (found.groups, found.paintings, found.held_out) == (100, 200, 40)


def test_single_paintings_never_straddle():
    found = straddling([f"{n}" for n in range(50)], 0)
    assert (found.parted, found.expected) == (0, 0)
    assert "parts nothing" in str(found)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 6663])
def test_the_parts_hold_every_painting(count):
    assert sum(part_sizes(count)) == count


def test_seeded_splits_average_to_the_expectation():
    groups = [f"{n // 3}" for n in range(300)]
    parted = [straddling(groups, seed).parted for seed in range(200)]
    error = np.std(parted) / np.sqrt(len(parted))
    assert abs(np.mean(parted) - straddling(groups, 0).expected) < 4 * error
