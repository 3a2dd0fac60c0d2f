"""Predictions made so far, in a file next to the output, so that a command that was stopped continues."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from artculture.evaluation.image_sources import ImageSource
from artculture.evaluation.predict import Prediction
from artculture.utils.errors import InputError
from artculture.utils.io import json_text

FORMAT = 3


class PredictionJournal:
    """File of predictions, one JSON line each, below a line that says what they depend on.

    A line that was cut off by a kill is removed. Only one process at a time may use it.

    Args:
        output: file that the predictions are for; the journal is `<output>.partial`.
        identity: what the predictions depend on other than the pictures, JSON values.

    Raises:
        InputError: another process uses it, or it holds predictions that depend on something else.
    """

    def __init__(self, output: Path, identity: dict[str, Any]) -> None:
        self.path = output.with_name(f"{output.name}.partial")
        self._identity = {"format": FORMAT, **identity}
        self._lock = FileLock(output.with_name(f".{output.name}.lock"))

    def __enter__(self) -> Self:
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(f"another process writes {self.path}: wait for it, or give another output") from error
        try:
            self._repair()
        except BaseException:
            self._lock.release()
            raise
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def count(self, sources: Sequence[ImageSource]) -> int:
        """Return how many of the first sources are predicted.

        Raises:
            InputError: the predictions are of other pictures.
        """
        number = 0
        for number, prediction in enumerate(self.predictions(), 1):
            if number > len(sources) or sources[number - 1].display_name != prediction.image:
                raise self._other("pictures")
        return number

    def predictions(self) -> Iterator[Prediction]:
        """Yield the predictions made so far, in order."""
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                values = json.loads(line)
                labels = {name: tuple(map(tuple, pairs)) for name, pairs in values["labels"].items()}
                members = None if values["set"] is None else tuple(values["set"])
                cultures = tuple(map(tuple, values["cultures"]))
                yield Prediction(values["image"], cultures, values["error"], labels, members, values["unlike"])

    def append(self, prediction: Prediction) -> None:
        """Add a prediction; it outlives this process."""
        values = vars(prediction)
        self._file.write(json_text(values, compact=True, ensure_ascii=True) + "\n")
        self._file.flush()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _repair(self) -> None:
        """Make the file if it is missing; check whose it is; cut off a line that was not written whole."""
        first = (json_text(self._identity, compact=True, sort_keys=True) + "\n").encode()
        if not self.path.is_file() or self.path.stat().st_size < len(first):
            self.path.write_bytes(first)
            return
        with self.path.open("r+b") as file:
            if file.readline() != first:
                raise self._other("predictions (of another checkpoint, or with other values of top, sets or unlike)")
            whole = file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    file.truncate(whole)
                    break
                whole += len(line)

    def _other(self, what: str) -> InputError:
        return InputError(f"{self.path} is of other {what}: delete it to start over, or give another output")
