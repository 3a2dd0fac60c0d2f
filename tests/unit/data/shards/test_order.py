import numpy as np
import pytest

from artculture.data.shards.order import ShardOrder

SHARDS = np.repeat(np.arange(3, 33), np.random.default_rng(0).integers(1, 40, 30))


@pytest.mark.parametrize("window", [1, 4, 7, 30, 99])
def test_each_place_comes_once(window):
    places = ShardOrder(SHARDS, window, 0).places(0)
    assert sorted(places.tolist()) == list(range(len(SHARDS)))


def test_it_is_a_function_of_seed_and_epoch():
    def drawn(seed, epoch):
        return tuple(ShardOrder(SHARDS, 4, seed).places(epoch).tolist())

    assert drawn(0, 3) == drawn(0, 3)
    assert len({drawn(0, 0), drawn(0, 1), drawn(1, 0), drawn(1, 1)}) == 4


@pytest.mark.parametrize("window", [1, 4, 7])
def test_no_more_shards_are_needed_at_a_time_than_the_window(window):
    met = SHARDS[ShardOrder(SHARDS, window, 2).places(5)]
    first, last = ({int(s): place for place, s in step} for step in (reversed([*enumerate(met)]), enumerate(met)))
    needed = [sum(first[s] <= place <= last[s] for s in first) for place in range(len(met))]
    assert max(needed) <= window


def test_neighbours_come_from_all_shards_of_the_window():
    met = SHARDS[ShardOrder(SHARDS, 10, 0).places(0)]
    assert np.mean(met[1:] == met[:-1]) < 0.25


def test_windows_are_other_shards_each_epoch():
    order = ShardOrder(SHARDS, 4, 0)
    assert (order.windows(0) != order.windows(1)).any()
    assert np.bincount(order.windows(0)).tolist() == [4] * 7 + [2]
