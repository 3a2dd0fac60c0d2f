import pytest
import torch

from artculture.training.acceleration import measured_format
from artculture.training.acceleration.measured_format import Choice, NumericFormat, at_batch, fastest, measured_choice
from tests.conftest import STUB

PLAIN, LAST, HALF = NumericFormat(32, False), NumericFormat(32, True), NumericFormat("bf16-mixed", True)


@pytest.mark.parametrize(
    ("last", "half", "chosen"),
    [
        ([1.0, 1.0, 1.0], [0.5, 0.5, 0.6], HALF),
        ([0.99, 1.0, 1.0], [0.97, 1.0, 1.0], PLAIN),  # a tie
        ([0.8, 0.8, 0.8], [0.79, 0.8, 0.8], LAST),
        ([1.1, 1.1, 1.1], [1.2, 1.2, 1.2], PLAIN),
        ([0.5, 1.0, 1.0], [1.0, 1.0, 0.5], PLAIN),  # one repeat alone is faster
    ],
)
def test_a_format_has_to_be_clearly_faster_than_a_simpler_one(last, half, chosen):
    assert fastest({PLAIN: [1.0, 1.0, 1.1], LAST: last, HALF: half}) == chosen


def test_a_single_round_has_to_be_clearer():
    assert fastest({PLAIN: [1.1], LAST: [1.0]}) == PLAIN
    assert fastest({PLAIN: [1.2], LAST: [1.0]}) == LAST


@pytest.mark.parametrize("method", ["finetuned", "transfer"])
def test_steps_of_the_network_are_measured_and_change_nothing_else(composed, method, monkeypatch):
    monkeypatch.setattr(measured_format, "BUDGET_SECONDS", 0.05)
    monkeypatch.setattr(measured_format, "bf16_gain", lambda: 2.0)
    torch.manual_seed(1)
    expected, threads = torch.random.get_rng_state(), torch.get_num_threads()
    config = composed(*STUB, "data.image_size=32", "data.batch_size=8", f"method={method}")
    choice = measured_choice(config, [PLAIN, LAST, HALF])
    assert str(choice.format) in choice.seconds
    assert all(seconds > 0 for seconds in choice.seconds.values())
    assert 4 <= choice.pictures <= 8
    assert torch.equal(torch.random.get_rng_state(), expected)
    assert torch.get_num_threads() == threads
    assert Choice.from_plain(choice.as_plain()) == choice


def test_the_fastest_steps_decide(composed, monkeypatch):
    speeds = {PLAIN: 0.3, LAST: 0.2, HALF: 0.05}

    def step(module, numeric, *, forward_only):
        return lambda pictures: speeds[numeric] * pictures

    monkeypatch.setattr(measured_format, "_step", step)
    monkeypatch.setattr(measured_format, "bf16_gain", lambda: 2.0)
    choice = measured_choice(composed(*STUB, "data.batch_size=8"), list(speeds))
    assert choice.format == HALF
    assert list(choice.seconds) == ["bf16-mixed, channels_last"]  # the others are out after the warm-up


def test_bf16_is_compared_only_where_the_processor_multiplies_faster_in_it(composed, monkeypatch):
    compared = []
    monkeypatch.setattr(measured_format, "_choice", lambda _, formats: compared.append(formats) or "measured")
    for gain in (1.1, 1.2):
        monkeypatch.setattr(measured_format, "bf16_gain", lambda gain=gain: gain)
        assert measured_choice(composed(), [PLAIN, LAST, HALF]) == "measured"
    assert compared == [[PLAIN, LAST], [PLAIN, LAST, HALF]]
    monkeypatch.setattr(measured_format, "bf16_gain", lambda: 0.9)
    assert measured_choice(composed(), [PLAIN, HALF]) == Choice(PLAIN, {}, 0)  # nothing is left to compare


def test_the_gain_of_bf16_is_float32_s_time_through_its_own(monkeypatch):
    clock, seconds = [0.0], iter([4, 3, 5, 2, 1, 3])  # of three products in float32, and of three in bfloat16

    def thread_time():
        clock.append(clock[-1] + (next(seconds) if len(clock) % 2 == 0 else 0))
        return clock[-1]

    monkeypatch.setattr(measured_format.time, "thread_time", thread_time)
    assert measured_format.bf16_gain() == 3.0


def test_work_that_does_not_depend_on_the_batch_counts_once():
    # As of VGG-16: casting the weights takes as long as the pictures' own work at two of them.
    half, full = at_batch(1.0, 1.1, 4, 32), at_batch(0.9, 1.7, 4, 32)
    assert (half, full) == (pytest.approx(2.5), pytest.approx(12.9))
