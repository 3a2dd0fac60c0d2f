"""A training step recorded once as a CUDA graph, and replayed.

A GPU is faster than the host that launches its kernels one by one: on an H200 three quarters of a ResNet-50's step on
32 pictures is waiting for launches. A graph is launched whole. It runs the same kernels on the same numbers.

https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

LossOf = Callable[..., tuple[Tensor, Tensor]]

# Before a capture: libraries choose their kernels and allocate their workspaces.
WARM_UPS = 2


class CapturedStep:
    """Loss, logits and gradients of a batch, without the optimiser.

    Dropout draws from the device's generator at each replay, as without a graph. The warm-up steps before the capture
    leave the network's buffers unchanged and advance the generator.

    Args:
        network: whose parameters get gradients.
        loss_of: the mean loss and the logits of given pictures and targets; may not wait for the device.
        given: a batch of the only size that this step is for, on the device.
        targets: labels, int64 N; of mixed pictures also the other labels and the shares.

    Raises:
        RuntimeError: the step can't be captured: it waits for the device, or memory is too small.
    """

    def __init__(self, network: nn.Module, loss_of: LossOf, given: Tensor, *targets: Tensor) -> None:
        self._given, self._targets = given.clone(), [each.clone() for each in targets]
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._graph = torch.cuda.CUDAGraph()
        buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
        # A cast weight that is kept from a warm-up step would be replayed as it was then.
        kind = given.device.type
        precision = torch.autocast(
            kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind), cache_enabled=False
        )
        try:
            # The outer block restores the stream where a capture fails; threads that pin a loader's batches may run.
            with precision, torch.cuda.stream(torch.cuda.current_stream()):
                self._warm_up(loss_of)
                with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                    loss, logits = self._run(loss_of)
        except RuntimeError:
            _end_of_draws(given.device)
            raise
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)
            gradients = self._taken_gradients()
        self._loss, self._logits, self._gradients = loss.detach(), logits.detach(), gradients

    def _warm_up(self, loss_of: LossOf) -> None:
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                self._taken_gradients()
                self._run(loss_of)
            self._taken_gradients()
        current.wait_stream(aside)

    def _run(self, loss_of: LossOf) -> tuple[Tensor, Tensor]:
        loss, logits = loss_of(self._given, *self._targets)
        with torch.autocast(loss.device.type, enabled=False):  # as the trainer goes backward
            loss.backward()  # type: ignore[no-untyped-call]
        return loss, logits

    def _taken_gradients(self) -> list[Tensor | None]:
        gradients = [parameter.grad for parameter in self._parameters]
        for parameter in self._parameters:
            parameter.grad = None
        return gradients

    @property
    def pictures(self) -> int:
        return len(self._given)

    def fits(self, given: Tensor) -> bool:
        """Whether this step is for a batch of that size and kind."""
        return given.shape == self._given.shape and given.dtype == self._given.dtype

    def replay(self, given: Tensor, *targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and logits of a batch, whose gradients then stand in the parameters; valid until the next replay."""
        self._given.copy_(given)
        for kept, target in zip(self._targets, targets, strict=True):
            kept.copy_(target)
        return self.replay_again()

    def replay_again(self) -> tuple[Tensor, Tensor]:
        """The same of the batch of before."""
        self._graph.replay()
        self.assign_gradients()
        return self._loss, self._logits

    def assign_gradients(self) -> None:
        """Assign the gradients of the last replay to the parameters."""
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient


def _end_of_draws(device: torch.device) -> None:
    """Let the device's generator draw again after a capture that failed: it would wait for its end for ever."""
    fresh = torch.Generator(device)
    torch.cuda.default_generators[device.index or 0].graphsafe_set_state(fresh.graphsafe_get_state())
