"""Random numbers by counting: each is a function of (seed, epoch, row) alone, drawn for a whole batch at once."""

import numpy as np
from numpy.typing import NDArray

# splitmix64's constants (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST_MIX = np.uint64(0xBF58476D1CE4E5B9)
SECOND_MIX = np.uint64(0x94D049BB133111EB)


def derived_seed(*parts: int) -> int:
    """One 63-bit seed of several numbers: different parts, unrelated seeds, the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def uniforms(seed: int, epoch: int, rows: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) for some rows, float64 len(rows) x count; a row's own do not depend on the others asked for."""
    start = np.uint64(derived_seed(seed, epoch))
    counter = rows.astype(np.uint64)[:, None] * np.uint64(count) + np.arange(1, count + 1, dtype=np.uint64)
    mixed = np.add(start, counter * GOLDEN, dtype=np.uint64)  # wraps around, as it should
    mixed = (mixed ^ (mixed >> np.uint64(30))) * FIRST_MIX
    mixed = (mixed ^ (mixed >> np.uint64(27))) * SECOND_MIX
    mixed ^= mixed >> np.uint64(31)
    # The upper 53 bits: what a float64 holds exactly.
    shares: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return shares
