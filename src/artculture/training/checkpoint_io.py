"""Writing of checkpoints: whole or not at all, large ones in the background."""

import copy
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from artculture.models.tensor_files import save_whole
from artculture.utils.hardware import available_memory

# A smaller checkpoint is written in about the time that copying it and handing it over takes.
BACKGROUND_BYTES = 256 << 20
# The best and the last checkpoint may be under way together, and the training needs room as well.
COPIES_THAT_FIT = 3


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint completely or not at all; a large one from a copy in memory, while the training continues.

    Files are written one after the other, in the order in which they were saved. What went wrong in the background is
    raised by the next save or by `finish`, which waits for all files; the end of a trainer does not wait, so that what
    follows it runs meanwhile.

    Args:
        keep: where the file goes that one of the same name takes the place of: {name: path}.
        background: False where other processes read a file as soon as it is saved.
        needed: the file whose copy stays in memory, as its content is needed after the training.

    Attributes:
        content: of the needed file, if it was last saved in the background.
    """

    def __init__(
        self, keep: dict[Path, Path] | None = None, *, background: bool = True, needed: Path | None = None
    ) -> None:
        super().__init__()
        self.keep, self.background = keep or {}, background
        self.needed = None if needed is None else needed.resolve()  # Lightning gives resolved paths, too
        self.content: dict[str, Any] | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._pending: list[tuple[Path, Future[None]]] = []

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        place = Path(path)
        is_needed = place.resolve() == self.needed
        if any(place == other or future.done() for other, future in self._pending):
            self.finish()
        if not (self.background and _suits_background(checkpoint)):
            self.finish()
            save_whole(checkpoint, place, self.keep.get(place))
            self.content = None if is_needed else self.content
            return
        self._writer = self._writer or ThreadPoolExecutor(1, "checkpoint")
        copied = copy.deepcopy(checkpoint)
        self.content = copied if is_needed else self.content
        self._pending.append((place, self._writer.submit(save_whole, copied, place, self.keep.get(place))))

    def load_checkpoint(self, path: Any, *given: Any, **options: Any) -> dict[str, Any]:
        self.finish()
        return super().load_checkpoint(path, *given, **options)

    def remove_checkpoint(self, path: Any) -> None:
        self.finish()  # a file that is still to be written would stay
        super().remove_checkpoint(path)

    def finish(self) -> None:
        """Wait until all files are written, and end the thread that wrote them.

        Raises:
            OSError: one of them can't be written.
        """
        pending, self._pending = self._pending, []
        try:
            wait([future for _, future in pending])
        finally:  # a signal that ends the wait does not end the writing, and hides no error of it
            if self._writer is not None:
                self._writer.shutdown()
                self._writer = None
            for _, future in pending:
                future.result()

    def teardown(self) -> None:
        """Do not wait: `finish` does."""


def finish_writing(trainer: L.Trainer) -> None:
    """Wait until the checkpoints of a trainer are on the disk; raises as `WholeCheckpointIO.finish`."""
    if isinstance(writer := trainer.strategy.checkpoint_io, WholeCheckpointIO):
        writer.finish()


def content_in_memory(trainer: L.Trainer) -> dict[str, Any] | None:
    """Return the content of the checkpoint that is needed after the training, if it is in memory."""
    writer = trainer.strategy.checkpoint_io
    return writer.content if isinstance(writer, WholeCheckpointIO) else None


def _suits_background(checkpoint: dict[str, Any]) -> bool:
    """Return whether a checkpoint takes long to write, and memory has room for a copy (on Linux, where that is known).

    Tensors of a GPU are copied to the host as they are written, without a second copy.
    """
    tensors = list(_tensors_in(checkpoint))
    size = sum(tensor.nbytes for tensor in tensors)
    if size < BACKGROUND_BYTES or any(tensor.device.type != "cpu" for tensor in tensors):
        return False
    return (available_memory() or 0) > COPIES_THAT_FIT * size


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _tensors_in(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _tensors_in(entry)
