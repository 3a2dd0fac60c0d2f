"""Leakage of a random split that ignores groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Leakage:
    """Leakage of a random 80/10/10 split that ignores groups.

    Attributes:
        groups: number of groups of two or more paintings.
        paintings: number of paintings in those groups.
        seed: of the sampled split.
        split_groups: number of groups with paintings in several parts of that split.
        leaked: number of validation and test paintings with a group member in training.
        held_out: number of validation and test paintings.
        expected: mean of `split_groups` over all such splits.
    """

    groups: int
    paintings: int
    seed: int
    split_groups: int
    leaked: int
    held_out: int
    expected: float

    def __str__(self) -> str:
        if not self.groups:
            return "no groups of two or more paintings: a random split divides none"
        return (
            f"{self.paintings} paintings belong to {self.groups} groups of two or more; a random "
            f"80/10/10 split divides {self.split_groups} of these groups (seed {self.seed}; {self.expected:.1f} on "
            f"average) and leaves {self.leaked} of its {self.held_out} validation and test paintings with a "
            "group member in training"
        )


def part_sizes(count: int) -> tuple[int, int, int]:
    """Return the number of paintings in train, val and test of an 80/10/10 split."""
    tenth = round(count / 10)
    return count - 2 * tenth, tenth, tenth


def measure_leakage(groups: Sequence[str], seed: int) -> Leakage:
    """Count the leakage of one seeded split, and its expectation over all splits.

    A group of k out of n paintings stays whole with probability Σ C(n_part, k) / C(n, k), summed over the three parts.

    Args:
        groups: the group of each painting.
        seed: of the sampled split.
    """
    count = len(groups)
    sizes = part_sizes(count)
    parts = np.empty(count, dtype=np.int64)
    # A random permutation with fixed part sizes is a plain random split.
    parts[np.random.default_rng(seed).permutation(count)] = np.repeat(np.arange(3), sizes)
    members: dict[str, list[int]] = {}
    for group, part in zip(groups, parts.tolist(), strict=True):
        members.setdefault(group, []).append(part)
    several = [own for own in members.values() if len(own) > 1]
    return Leakage(
        groups=len(several),
        paintings=sum(map(len, several)),
        seed=seed,
        split_groups=sum(len(set(own)) > 1 for own in several),
        leaked=sum(len(own) - own.count(0) for own in several if 0 in own),
        held_out=sizes[1] + sizes[2],
        expected=sum(
            times * (1 - sum(comb(size, k) for size in sizes) / comb(count, k))
            for k, times in Counter(map(len, several)).items()
        ),
    )
