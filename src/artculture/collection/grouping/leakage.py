"""How much a plain random split would leak: groups with paintings on both sides of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Leakage:
    """What a plain random 80/10/10 split does to groups.

    Attributes:
        groups: of two and more paintings.
        paintings: in those groups.
        seed: of the split that was drawn.
        split_groups: groups with paintings in more than one part of that split.
        leaked: paintings of its validation and test parts with a group member in training.
        held_out: paintings in its validation and test parts.
        expected: mean number of split_groups groups over all such splits.
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
            return "no groups of two and more paintings: a random split parts nothing"
        return (
            f"{self.paintings} paintings belong to groups of two and more ({self.groups} in all); a plain random "
            f"80/10/10 split parts {self.split_groups} of these groups (seed {self.seed}; {self.expected:.1f} on "
            f"average) and leaves {self.leaked} of its {self.held_out} validation and test paintings with a "
            "sibling in training"
        )


def part_sizes(count: int) -> tuple[int, int, int]:
    """Paintings in train, val and test of an 80/10/10 split."""
    tenth = round(count / 10)
    return count - 2 * tenth, tenth, tenth


def measure_leakage(groups: Sequence[str], seed: int) -> Leakage:
    """Count exactly for one seeded split, and in expectation over all of them.

    Args:
        groups: each painting's group.
    """
    count = len(groups)
    sizes = part_sizes(count)
    parts = np.empty(count, dtype=np.int64)
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
