"""Precision and memory format of training steps on a CPU, chosen by measuring a few steps of the run's own network."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from artculture.config.schema.model import Transfer
from artculture.config.schema.train import TrainConfig
from artculture.models.classifier import CultureClassifier
from artculture.training.callbacks.depthwise import depthwise_in_float32
from artculture.training.factory import make_classifier

# CPU seconds of all steps, of which the warm-up and one round after it are made in any case, and of a larger step.
BUDGET_SECONDS, STEP_SECONDS = 2.5, 0.25
ROUNDS = 3
# Networks are not compared in bfloat16 unless it multiplies matrices of this size faster by this factor.
BF16_GAIN, BF16_SIZE, BF16_REPEATS = 1.15, 768, 3
# Pictures: BatchNorm takes no single one.
SMALLEST = 2
CLASSES = 11
# A format takes the place of an earlier one, which is simpler, if it is faster by this factor; the second one where the
# budget was enough for a single round, in which memory is touched for the first time.
GAIN, SINGLE_GAIN = 1.05, 1.15
# Of a run's memory: what a process has of its own; weights with gradients, optimizer state and average; what the
# backward pass adds to the activations; how many inputs the layers that are in memory at a time amount to.
PROCESS_BYTES, WEIGHT_COPIES, TEMPORARIES, LAYERS_AT_ONCE = 700 << 20, 5, 1.3, 30
# After the warm-up a format that took this many times longer than the fastest one is out, if its step was long enough
# for the warm-up (kernels are generated) not to matter.
HOPELESS, LONG_STEP_SECONDS = 2.0, 0.1
HALF = "bf16-mixed"
# In-place methods of tensors, and functions of torch.nn.init.
INITIALISERS = frozenset(
    {"normal_", "uniform_", "trunc_normal_", "orthogonal_"}
    | {f"{scheme}_{kind}_" for scheme in ("kaiming", "xavier") for kind in ("normal", "uniform")}
)


@dataclass(frozen=True)
class NumericFormat:
    """Precision and memory format of a training, as `trainer.precision` and `trainer.channels_last` name them."""

    precision: int | str
    channels_last: bool

    def __str__(self) -> str:
        return f"{self.precision}{', channels_last' if self.channels_last else ''}"


@dataclass(frozen=True)
class Choice:
    """The chosen format and what was measured.

    Attributes:
        format: the chosen one.
        seconds: of a step of the run's batch in each format, the fastest of its repeats, as CPU time of one thread;
            empty if nothing was compared.
        pictures: of the larger of the measured steps.
    """

    format: NumericFormat
    seconds: dict[str, float]
    pictures: int

    def as_plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Choice":
        """Return the choice that `as_plain` described.

        Raises:
            KeyError, TypeError, ValueError: the values are none of a choice.
        """
        return cls(NumericFormat(**values["format"]), dict(values["seconds"]), int(values["pictures"]))


def measured_choice(config: TrainConfig, formats: Sequence[NumericFormat]) -> Choice:
    """Return the fastest of some formats, measured in steps on random pixels.

    The steps use one thread, and count the CPU time of that thread: other work of the machine hardly matters. A step of
    the run's batch is computed from steps of a few pictures: some of its work, such as casting the weights, does not
    depend on their number.

    Args:
        config: the run's.
        formats: the simplest first.
    """
    with _one_thread():
        gains = any(each.precision == HALF for each in formats) and bf16_gain() >= BF16_GAIN
        compared = [each for each in formats if gains or each.precision != HALF]
        return _choice(config, compared) if len(compared) > 1 else Choice(compared[0], {}, 0)


def bf16_gain() -> float:
    """Return how many times faster than in float32 one thread multiplies matrices in bfloat16.

    Some processors have instructions for it that are no faster: a Xeon with AVX512-BF16 and two units for float32.
    """
    seconds = {}
    for kind in (torch.float32, torch.bfloat16):
        left, right = (torch.ones(BF16_SIZE, BF16_SIZE, dtype=kind) for _ in range(2))
        left @ right  # kernels are generated
        times = []
        for _ in range(BF16_REPEATS):
            began = time.thread_time()
            left @ right
            times.append(max(time.thread_time() - began, 1e-6))
        seconds[kind] = min(times)
    return seconds[torch.float32] / seconds[torch.bfloat16]


@dataclass(frozen=True)
class RunSize:
    """Memory and operations of a run, from the shapes in a forward pass of two pictures.

    Attributes:
        memory: an upper bound of its bytes.
        operations: floating-point operations of a forward pass of one picture.
    """

    memory: int
    operations: float


def run_size(config: TrainConfig) -> RunSize:
    """Return memory and operations of a run, without computing anything where its layers allow that."""
    try:
        with torch.device("meta"):  # shapes alone: nothing is filled or computed
            return _size(_module(config), config)
    except Exception:  # layers that need the values of tensors
        with _one_thread():
            return _size(_module(config), config)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread, and keep the state of its random numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


def fastest(seconds: Mapping[NumericFormat, Sequence[float]]) -> NumericFormat:
    """Return the fastest format; an earlier one where a later one is not clearly faster.

    Args:
        seconds: of repeated steps, by format, the simplest first.
    """
    formats = iter(seconds)
    chosen = next(formats)
    for other in formats:
        # By the least disturbed repeat, and by the usual one.
        gains = [of(seconds[chosen]) / of(seconds[other]) for of in (min, statistics.median)]
        if min(gains) >= (GAIN if len(seconds[other]) > 1 else SINGLE_GAIN):
            chosen = other
    return chosen


def at_batch(small: float, large: float, pictures: int, batch: int) -> float:
    """Return the seconds of a step of a batch, from those of steps of `SMALLEST` and of so many pictures."""
    each = max(0.0, large - small) / (pictures - SMALLEST)
    return large + each * max(0, batch - pictures)


def _choice(config: TrainConfig, formats: Sequence[NumericFormat]) -> Choice:
    module, batch = _module(config), config.data.batch_size
    steps = {each: _step(module, each, forward_only=_only_forward(config)) for each in formats}
    warm_up = {each: step(SMALLEST) for each, step in steps.items()}
    least, spent = min(warm_up.values()), sum(warm_up.values())
    left = [each for each in formats if warm_up[each] <= max(HOPELESS * least, LONG_STEP_SECONDS)]
    pictures = max(2 * SMALLEST, min(batch, int(SMALLEST * STEP_SECONDS / least)))
    found: dict[NumericFormat, list[float]] = {each: [] for each in left}
    for turn in range(ROUNDS):
        if turn and (spent >= BUDGET_SECONDS or len(left) == 1):
            break
        for each in left if turn % 2 else reversed(left):
            small, large = steps[each](SMALLEST), steps[each](pictures)
            found[each].append(at_batch(small, large, pictures, batch))
            spent += small + large
    seconds = {str(each): min(times) for each, times in found.items()}
    return Choice(fastest(found), seconds, pictures)


def _module(config: TrainConfig) -> CultureClassifier:
    """Return the classifier of a run with any weights, ready for training."""
    with _FilledAtOnce():
        module = make_classifier(config, tuple(map(str, range(CLASSES))), class_counts=[1] * CLASSES)
    module._freeze()
    module.train()
    return module


def _only_forward(config: TrainConfig) -> bool:
    return isinstance(config.method, Transfer) and config.method.features == "cached"


def _size(module: CultureClassifier, config: TrainConfig) -> RunSize:
    """Return memory and operations of a run in float32."""
    size = module.preprocessing.image_size
    weights, batch = sum(parameter.nbytes for parameter in module.parameters()), config.data.batch_size
    own = {_reference(parameter) for parameter in module.parameters()}
    saved: dict[StorageWeakRef, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        reference = _reference(tensor)
        if reference not in own:
            saved[reference] = tensor.untyped_storage().nbytes()
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = module(torch.zeros(SMALLEST, 3, size, size, dtype=torch.uint8))
    activations = sum(saved.values())
    del logits  # with what it keeps for a backward pass
    if _only_forward(config):  # a few layers are in memory at a time
        own_bytes: float = 2 * weights + batch * LAYERS_AT_ONCE * 3 * 4 * size**2
    else:
        own_bytes = WEIGHT_COPIES * weights + TEMPORARIES * batch * activations / SMALLEST
    return RunSize(round(PROCESS_BYTES + own_bytes), counter.get_total_flops() / SMALLEST)


def _reference(tensor: Tensor) -> StorageWeakRef:
    """Return what identifies the memory of a tensor, also of one without values."""
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _step(module: CultureClassifier, numeric: NumericFormat, *, forward_only: bool) -> Callable[[int], float]:
    """Return a function that makes one step on so many pictures and returns its CPU seconds."""
    size = module.preprocessing.image_size
    half = numeric.precision == HALF
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=half)

    def step(pictures: int) -> float:
        module.hyper["channels_last"] = numeric.channels_last
        module.network.to(memory_format=torch.channels_last if numeric.channels_last else torch.contiguous_format)
        images = torch.randint(0, 256, (pictures, 3, size, size), dtype=torch.uint8)
        labels = torch.arange(pictures) % CLASSES
        module.zero_grad(set_to_none=False)  # new memory would be cleared page by page within the step
        began = time.thread_time()
        if forward_only:
            with autocast, torch.inference_mode():
                module.embed(images)
        else:
            with depthwise_in_float32(module) if half else nullcontext():
                with autocast:
                    loss: Tensor = module.training_step((images, labels, labels), 0)["loss"]
                loss.backward()  # type: ignore[no-untyped-call]
        # The clock's resolution is coarse on some systems.
        return max(time.thread_time() - began, 1e-6)

    return step


class _FilledAtOnce(TorchFunctionMode):
    """Fill new parameters with a constant instead of random numbers, which takes VGG-16 seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in INITIALISERS:
            with torch.no_grad():
                return (args[0] if args else given["tensor"]).fill_(0.01)
        return func(*args, **given)
