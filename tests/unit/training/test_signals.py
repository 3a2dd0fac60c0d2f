import os
import signal
import time

import pytest
from torch.utils.data import DataLoader, IterableDataset

from artculture.training import signals
from artculture.training.signals import SIGNALS, listen_for_signals
from artculture.utils.errors import Interrupted
from artculture.utils.signals import STOP_SIGNALS, stop_on_signals


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGHUP, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_a_signal_stops_at_once_where_nothing_is_to_be_saved(number, code):
    with pytest.raises(Interrupted, match=f"interrupted by {number.name}") as caught, listen_for_signals():
        os.kill(os.getpid(), number)
    assert caught.value.code == code


def test_a_hangup_that_nohup_ignores_stays_ignored():
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop_on_signals()
        with listen_for_signals() as listener:
            os.kill(os.getpid(), signal.SIGHUP)
        assert listener.received is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_inside_work_it_is_remembered_until_asked_for():
    with listen_for_signals() as listener, listener.deferred():
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert listener.received == "SIGUSR1"
        with pytest.raises(Interrupted, match="SIGUSR1"):
            listener.raise_if_received()


def test_a_second_ctrl_c_does_not_wait():
    with listen_for_signals() as listener, listener.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)


class Stuck(IterableDataset):
    def __iter__(self):
        yield 0
        time.sleep(60)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_wait_for_a_batch_that_never_comes_ends(monkeypatch, workers):
    monkeypatch.setattr(signals, "BATCH_PATIENCE_SECONDS", 0.3)
    with listen_for_signals() as listener, listener.deferred():
        batches = iter(DataLoader(Stuck(), num_workers=workers))
        next(batches)
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.7)  # a step that takes longer is waited for
        with pytest.raises(Interrupted, match="SIGUSR1"):
            next(batches)
        del batches


def test_nothing_disturbs_the_end_once_it_began():
    with listen_for_signals() as listener:
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert listener.received == "SIGTERM"


def test_handlers_are_given_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with listen_for_signals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_no_error_handler_takes_it_for_an_error():
    assert not issubclass(Interrupted, Exception)
