"""Precision and memory format of training steps on a CPU, chosen by measuring a few steps of the run's own network."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from artculture.config.schema.model import Transfer
from artculture.config.schema.train import TrainConfig
from artculture.models.classifier import CultureClassifier
from artculture.training.callbacks.depthwise import depthwise_in_float32
from artculture.training.factory import make_classifier

# CPU seconds of all steps; the warm-up and one round after it are made in any case.
BUDGET_SECONDS = 2.0
ROUNDS = 5
# Pictures: BatchNorm takes no single one.
SMALLEST = 2
CLASSES = 11
# A format takes the place of an earlier one, which is simpler, if it is faster by this factor.
GAIN = 1.05
# Of a run's memory: what a process has of its own; weights with gradients, optimizer state and average; what the
# backward pass adds to the activations; how many inputs the layers that are in memory at a time amount to.
PROCESS_BYTES, WEIGHT_COPIES, TEMPORARIES, LAYERS_AT_ONCE = 700 << 20, 5, 1.3, 30
# After the warm-up a format that took this many times longer than the fastest one is out, if its step was long enough
# for the warm-up (kernels are generated) not to matter.
HOPELESS, LONG_STEP_SECONDS = 2.0, 0.1
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
        seconds: of a step in each format, the fastest of its repeats: text of the format to CPU seconds.
        pictures: of each step.
        memory: bytes that a run needs, about, beside what all runs of a study share; 0 if unknown.
    """

    format: NumericFormat
    seconds: dict[str, float]
    pictures: int
    memory: int = 0

    def as_plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Choice":
        """Return the choice that `as_plain` described.

        Raises:
            KeyError, TypeError, ValueError: the values are none of a choice.
        """
        return cls(
            NumericFormat(**values["format"]), dict(values["seconds"]), int(values["pictures"]), int(values["memory"])
        )


def measured_choice(config: TrainConfig, formats: Sequence[NumericFormat]) -> Choice:
    """Return the fastest of some formats, measured in steps on random pixels.

    The steps use one thread, and count the CPU time of that thread: other work of the machine hardly matters. A step
    has as many pictures of the run's batch as the budget allows.

    Args:
        config: the run's.
        formats: the simplest first.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            return _choice(config, formats)
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
        if min(gains) >= GAIN:
            chosen = other
    return chosen


def _choice(config: TrainConfig, formats: Sequence[NumericFormat]) -> Choice:
    with _FilledAtOnce():
        module = make_classifier(config, tuple(map(str, range(CLASSES))), class_counts=[1] * CLASSES)
    module._freeze()
    module.train()
    forward_only = isinstance(config.method, Transfer) and config.method.features == "cached"
    steps = {each: _step(module, each, forward_only=forward_only) for each in formats}
    saved: dict[int, int] = {}
    with _saved_tensors(saved):
        warm_up = {formats[0]: steps[formats[0]](SMALLEST)}
    warm_up |= {each: steps[each](SMALLEST) for each in formats[1:]}
    limit = max(HOPELESS * min(warm_up.values()), LONG_STEP_SECONDS)
    found = {each: [steps[each](SMALLEST)] for each in formats if warm_up[each] <= limit}
    spent = sum(warm_up.values()) + sum(seconds for (seconds,) in found.values())
    # As many pictures as make all rounds fit into the rest of the budget.
    fitting = SMALLEST * (BUDGET_SECONDS - spent) / (ROUNDS * sum(seconds for (seconds,) in found.values()))
    pictures = max(SMALLEST, min(config.data.batch_size, int(fitting)))
    if pictures > SMALLEST:
        found = {each: [] for each in found}
    for turn in range(ROUNDS):
        if spent >= BUDGET_SECONDS and all(found.values()):
            break
        for each in list(found) if turn % 2 else reversed(list(found)):
            found[each].append(steps[each](pictures))
            spent += found[each][-1]
    memory = _memory(module, config, saved, forward_only=forward_only)
    return Choice(fastest(found), {str(each): min(times) for each, times in found.items()}, pictures, memory)


def _saved_tensors(saved: dict[int, int]) -> AbstractContextManager[object]:
    """Collect the storages that a forward pass keeps for its backward pass, address to bytes."""

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    return torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)


def _memory(module: CultureClassifier, config: TrainConfig, saved: dict[int, int], *, forward_only: bool) -> int:
    """Return about how many bytes a run needs: an upper bound from a step in the first, simplest format."""
    weights = sum(parameter.nbytes for parameter in module.parameters())
    batch = config.data.batch_size
    if forward_only:  # a few layers are in memory at a time
        return PROCESS_BYTES + 2 * weights + batch * LAYERS_AT_ONCE * 3 * 4 * module.preprocessing.image_size**2
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    activations = sum(size for address, size in saved.items() if address not in own)
    return round(PROCESS_BYTES + WEIGHT_COPIES * weights + TEMPORARIES * batch * activations / SMALLEST)


def _step(module: CultureClassifier, numeric: NumericFormat, *, forward_only: bool) -> Callable[[int], float]:
    """Return a function that makes one step on so many pictures and returns its CPU seconds."""
    size = module.preprocessing.image_size
    half = numeric.precision == "bf16-mixed"
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=half)

    def step(pictures: int) -> float:
        module.hyper["channels_last"] = numeric.channels_last
        module.network.to(memory_format=torch.channels_last if numeric.channels_last else torch.contiguous_format)
        images = torch.randint(0, 256, (pictures, 3, size, size), dtype=torch.uint8)
        labels = torch.arange(pictures) % CLASSES
        module.zero_grad()
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
