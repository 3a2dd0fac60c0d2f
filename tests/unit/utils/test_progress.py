import pytest

from artculture.utils import progress
from artculture.utils.progress import rate_text, shown_progress, shown_rate


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "text"),
    [
        (0, None, 0, "0.0/s"),
        (0, 100, 5, "0.0/s"),
        (50, 100, 10, "5.0/s, 10 s left"),
        (10, 6000, 10, "1.0/s, 1.7 h left"),
        (10, 1000, 10, "1.0/s, 16 min left"),
    ],
)
def test_rate_and_time_left(done, total, elapsed, text):
    assert rate_text(done, total, elapsed) == text


def test_what_was_done_before_does_not_count_for_the_rate(monkeypatch, capsys):
    times = iter([0.0, 5.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with shown_rate("pictures", 1000, start=100) as show:
        show(150)
        show(200)
    assert capsys.readouterr().err == "pictures: 200 of 1000 (5.0/s, 160 s left)\n".replace("160 s", "3 min")


def test_a_log_gets_no_bar_and_no_empty_line(capsys):
    with shown_progress("decoding pictures") as show:
        show(1, 2)
        show(2, 2)
    assert capsys.readouterr() == ("", "")
