import pytest
import torch
import yaml

from artculture.data.cache.folder import cache_folder
from artculture.training import numeric_choice
from artculture.training.acceleration import measured_format
from artculture.training.acceleration.measured_format import Choice, NumericFormat
from artculture.training.numeric_choice import decided, expected_precision, expected_size, known_choices, with_recorded
from tests.conftest import STUB

HALF, PLAIN = NumericFormat("bf16-mixed", True), NumericFormat(32, False)


@pytest.fixture
def measured(monkeypatch):
    """What a measurement finds, and which formats each one has compared."""

    class Measured:
        finds, asked = HALF, []

    def choose(config, formats):
        Measured.asked.append(list(map(str, formats)))
        return Choice(Measured.finds, {str(Measured.finds): 0.1}, 2)

    Measured.asked = []
    monkeypatch.setattr(numeric_choice, "_measure", numeric_choice._measure.measured)
    monkeypatch.setattr(measured_format, "measured_choice", choose)
    monkeypatch.setattr(numeric_choice.hardware, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(numeric_choice.hardware, "cpu_has_amx", lambda: False)
    monkeypatch.setattr(numeric_choice.hardware, "real_accelerator", lambda _: "cpu")
    return Measured


def test_a_machine_measures_an_architecture_once(composed, measured):
    config = composed(*STUB)
    assert expected_precision(config, "cpu") == "auto"
    trainer = decided(config).trainer
    assert (trainer.precision, trainer.channels_last, trainer.threads) == ("bf16-mixed", True, torch.get_num_threads())
    measured.finds = PLAIN
    decided(composed(*STUB, "seed=3", "trainer.max_epochs=9"))
    assert measured.asked == [["32", "32, channels_last", "bf16-mixed, channels_last"]]
    for other in ("data.batch_size=4", "data.image_size=48", "method=transfer", "trainer.channels_last=false"):
        assert decided(composed(*STUB, other)).trainer.precision == 32
    assert measured.asked[-1] == ["32", "bf16-mixed"]
    assert len(measured.asked) == 5
    assert {str(choice.format) for _, choice in known_choices(cache_folder(config.data.cache))} == {
        "32",
        "bf16-mixed, channels_last",
    }
    assert expected_precision(composed(*STUB, "data.batch_size=4"), "cpu") == "32-true"


def test_nothing_is_measured_where_the_user_says_it_or_processes_would_have_to_agree(composed, measured):
    typed = decided(composed(*STUB, "trainer.precision=32", "trainer.threads=3")).trainer
    assert (typed.precision, typed.channels_last, typed.threads) == (32, True, 3)
    several = decided(composed(*STUB), alone=False).trainer
    assert (several.precision, several.channels_last, several.threads) == ("bf16-mixed", True, "auto")
    assert decided(composed(*STUB, "method=probe")).trainer.channels_last is True
    assert decided(composed(*STUB, "trainer.compile=true")).trainer.precision == "bf16-mixed"
    assert measured.asked == []


@pytest.mark.parametrize("kind", [RuntimeError, IndexError])
def test_steps_that_fail_leave_float32(composed, measured, monkeypatch, caplog, kind):
    def fail(*_):
        raise kind("not enough memory")

    monkeypatch.setattr(measured_format, "measured_choice", fail)
    assert decided(composed(*STUB)).trainer.precision == 32
    assert "no step could be measured: not enough memory" in caplog.text
    assert not list(known_choices(cache_folder(composed().data.cache)))


def test_a_processor_with_amx_takes_bf16_without_a_measurement(composed, measured, monkeypatch):
    monkeypatch.setattr(numeric_choice.hardware, "cpu_has_amx", lambda: True)
    trainer = decided(composed(*STUB)).trainer
    assert (trainer.precision, trainer.channels_last, measured.asked) == ("bf16-mixed", True, [])


def test_training_from_scratch_has_the_steps_of_fine_tuning(composed, measured):
    for method in ("finetuned", "scratch", "transfer"):
        decided(composed(*STUB, f"method={method}"))
    assert len(measured.asked) == 2


@pytest.mark.parametrize("method", ["finetuned", "transfer"])
def test_memory_measured_by_shapes_is_that_of_a_forward_pass(composed, monkeypatch, method):
    config = composed(*STUB, "data.image_size=32", f"method={method}")
    by_shapes = measured_format.run_size(config)
    made = measured_format.make_classifier

    def needs_values(*arguments, **more):
        module = made(*arguments, **more)
        assert float(next(module.parameters()).sum().item()) != 1e30  # fails without values
        return module

    monkeypatch.setattr(measured_format, "make_classifier", needs_values)
    computed = measured_format.run_size(config)
    assert by_shapes == computed
    assert computed.memory > 700 << 20


def test_the_size_of_a_run_is_known_before_and_after_its_choice(composed, measured):
    config = composed(*STUB, "data.image_size=32")
    expected = expected_size(config)
    assert expected.memory > 700 << 20
    assert expected == expected_size(decided(config))
    small, large = (expected_size(composed("data.image_size=224", f"data.batch_size={size}")) for size in (2, 64))
    assert 700 << 20 < small.memory < large.memory
    assert expected_size(composed("method=probe")) is None
    # torchvision's documentation: 4.09 billion multiply-adds.
    assert small.operations == large.operations == pytest.approx(2 * 4.1e9, rel=0.02)


def test_a_study_leaves_the_choice_to_runs_on_gpus(composed, measured, monkeypatch):
    assert numeric_choice.decided_by_study(composed(*STUB), {}).trainer.precision == "bf16-mixed"
    monkeypatch.setattr(numeric_choice.hardware, "real_accelerator", lambda _: "gpu")
    assert numeric_choice.decided_by_study(composed(*STUB), {}).trainer.precision == "auto"


def test_what_was_recorded_stays(composed):
    stored = {"trainer": {"precision": 32, "channels_last": False, "threads": 7}}
    auto = with_recorded(composed(*STUB), stored).trainer
    assert (auto.precision, auto.channels_last, auto.threads) == (32, False, 7)
    typed = with_recorded(composed(*STUB, "trainer.precision=bf16-mixed", "trainer.threads=2"), stored).trainer
    assert (typed.precision, typed.channels_last, typed.threads) == ("bf16-mixed", False, 2)
    assert with_recorded(composed(*STUB), {}).trainer.precision == "auto"


def test_parallel_runs_share_the_cores(composed, measured, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(numeric_choice.hardware, "cores", lambda: 8)
    assert decided(composed(*STUB, "launcher.parallel=2")).trainer.threads == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert decided(composed(*STUB, "launcher.parallel=2")).trainer.threads == 3


def test_a_run_keeps_its_choice_on_resume(train, only_run, measured):
    assert train("trainer.max_epochs=1", "trainer.precision=auto") == 0
    measured.finds = PLAIN
    assert train("trainer.max_epochs=2", "trainer.precision=auto", "data.cache=elsewhere") == 0
    trainer = yaml.safe_load((only_run() / "config.yaml").read_text())["trainer"]
    assert (trainer["max_epochs"], trainer["precision"], trainer["channels_last"]) == (2, "bf16-mixed", True)
    assert len(measured.asked) == 1
