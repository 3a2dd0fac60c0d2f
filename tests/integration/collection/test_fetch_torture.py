import pytest

from benchmarks.fetch_torture import torture


@pytest.mark.slow
def test_killed_at_random_and_fed_garbage_it_ends_with_the_undisturbed_manifest(tmp_path):
    figures = torture(tmp_path, objects=90, kills=3, longest=2.5, seed=1, rate=400)
    assert figures.kills == 3
    assert figures.requests["spoiled"] > 0
    assert figures.survived, list(figures.rows())
