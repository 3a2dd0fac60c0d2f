"""Counter-based random numbers: functions of (seed, epoch, row) alone, vectorised over a batch."""

import numpy as np
from numpy.typing import NDArray

# splitmix64's constants (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST_MIX = np.uint64(0xBF58476D1CE4E5B9)
SECOND_MIX = np.uint64(0x94D049BB133111EB)


def derived_seed(*parts: int) -> int:
    """Return a 63-bit seed derived from several integers, the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def uniforms(seed: int, epoch: int, rows: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1), float64 len(rows) x count; those of a row do not depend on the other rows."""
    start = np.uint64(derived_seed(seed, epoch))
    counter = rows.astype(np.uint64)[:, None] * np.uint64(count) + np.arange(1, count + 1, dtype=np.uint64)
    mixed = np.add(start, counter * GOLDEN, dtype=np.uint64)  # overflow is intended: arithmetic modulo 2**64
    mixed = (mixed ^ (mixed >> np.uint64(30))) * FIRST_MIX
    mixed = (mixed ^ (mixed >> np.uint64(27))) * SECOND_MIX
    mixed ^= mixed >> np.uint64(31)
    # A float64 represents 53 bits exactly.
    shares: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return shares
