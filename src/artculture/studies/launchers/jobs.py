"""What a study's folder says about its jobs in a queue: which was submitted for a row, how the row ended in it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from artculture.utils.errors import InputError
from artculture.utils.io import read_json, write_json


@dataclass(frozen=True)
class Submitted:
    """The job that a row was last handed to.

    Attributes:
        job: the engine's id.
        at: seconds since the epoch.
    """

    job: str
    at: float


@dataclass(frozen=True)
class JobNotes:
    """Notes about one row's jobs.

    Attributes:
        folder: the engine's, inside the study's.
        run: name of the row's directory.
    """

    folder: Path
    run: str

    def submitted(self) -> Submitted | None:
        """The row's last job; None where there is none, or no whole note of it."""
        try:
            return Submitted(**read_json(self._file("job")))
        except (OSError, TypeError, InputError):
            return None

    def submit(self, note: Submitted) -> None:
        write_json(self._file("job"), asdict(note))

    def ended(self, job: str) -> int | None:
        """The exit code of the row in this job; None where it has not ended by itself."""
        try:
            note = read_json(self._file("exit"))
        except (OSError, InputError):
            return None
        return int(note["code"]) if note.get("job") == job and isinstance(note.get("code"), int) else None

    def end(self, job: str, code: int) -> None:
        write_json(self._file("exit"), {"job": job, "code": code})

    def _file(self, kind: str) -> Path:
        return self.folder / f"{self.run}.{kind}.json"
