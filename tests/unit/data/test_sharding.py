import pytest

from artculture.data.sharding import RankSlice


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("pictures", [1, 2, 3, 5, 7, 16, 17, 33])
def test_shares_are_the_batch_in_order_and_nearly_even(size, pictures):
    batch = list(range(pictures))
    shares = [batch[RankSlice(rank, size).of(pictures)] for rank in range(size)]
    assert [picture for share in shares for picture in share] == batch
    filled = [len(share) for share in shares if share]
    assert max(filled) - min(filled) <= 1
    assert min(filled) >= min(2, pictures)


def test_the_first_is_never_without_and_the_last_go_without():
    assert [len(range(5)[RankSlice(rank, 4).of(5)]) for rank in range(4)] == [3, 2, 0, 0]


def test_alone_one_takes_all():
    assert RankSlice().of(7) == slice(0, 7)
