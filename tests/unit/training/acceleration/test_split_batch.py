import pytest
import torch

from artculture.training.acceleration.split_batch import Parts, is_out_of_memory
from artculture.utils.errors import WorkError


@pytest.fixture
def parts():
    return Parts("training", "take less")


@pytest.mark.parametrize(
    ("largest", "n", "sizes"),
    [(None, 9, [9]), (8, 8, [8]), (4, 8, [4, 4]), (4, 9, [3, 3, 3]), (2, 5, [3, 2]), (2, 3, [3]), (2, 1, [1])],
)
def test_no_part_is_a_picture_alone(parts, largest, n, sizes):
    parts.largest = largest
    assert parts.sizes(n) == sizes
    assert sum(parts.sizes(n)) == n


@pytest.mark.slow
def test_halving_says_so_loudly_and_ends(parts, caplog):
    parts.halve(32, "CUDA out of memory", allowed=True)
    assert parts.largest == 16
    assert "OUT OF MEMORY with 32 training pictures" in caplog.text
    for _ in range(3):
        parts.halve(32, "full", allowed=True)
    with pytest.raises(WorkError, match=r"out of memory with 2 training pictures at once \(full\): take less"):
        parts.halve(32, "full", allowed=True)


def test_by_choice_nothing_is_halved(parts):
    with pytest.raises(WorkError, match="out of memory with 32 training pictures"):
        parts.halve(32, "full", allowed=False)
    assert parts.largest is None


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, full):
    assert is_out_of_memory(error) is full
