import pytest
import torch

from artculture.data import shared_memory
from artculture.data.dataset import identity_collate
from artculture.data.shared_memory import processes_that_fit
from artculture.training.error_mapping import map_error
from artculture.utils.errors import WorkError

MB = 1 << 20


@pytest.mark.parametrize(
    ("free", "batch", "ranks", "wanted", "found"),
    [
        (None, 10 * MB, 1, 4, 4),
        (2000 * MB, 10 * MB, 1, 4, 4),
        (64 * MB, 10 * MB, 1, 4, 2),
        (64 * MB, 10 * MB, 2, 4, 0),
        (8 * MB, 10 * MB, 1, 4, 0),
        (8 * MB, MB // 10, 1, 4, 4),
        (8 * MB, 10 * MB, 1, 0, 0),
    ],
)
def test_no_more_loader_processes_than_shared_memory_has_room_for(monkeypatch, free, batch, ranks, wanted, found):
    monkeypatch.setattr(shared_memory, "free_bytes", lambda: free)
    assert processes_that_fit(wanted, batch, ranks) == found


def test_a_batch_is_shared_where_a_lack_of_memory_can_be_reported(monkeypatch):
    batch = (torch.zeros(4), torch.zeros(2))
    assert not any(part.is_shared() for part in identity_collate(batch))
    monkeypatch.setattr("artculture.data.dataset.get_worker_info", object)
    assert all(part.is_shared() for part in identity_collate(batch))


def test_a_lack_of_shared_memory_says_what_to_change():
    text = (
        "Caught RuntimeError in DataLoader worker process 0.\nunable to allocate shared memory(shm) for file </torch_1>"
    )
    mapped = map_error(RuntimeError(text), None)
    assert isinstance(mapped, WorkError)
    assert "--shm-size" in str(mapped)
    assert "data.num_workers" in str(mapped)
