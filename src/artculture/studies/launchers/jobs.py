"""Records of a study's cluster jobs: the job submitted for each run, and the run's exit code in it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from artculture.utils.errors import InputError
from artculture.utils.io import read_json, write_json


@dataclass(frozen=True)
class Submitted:
    """The last job submitted for a run.

    Attributes:
        job: the id given by the cluster.
        at: time of submission, seconds since the epoch.
    """

    job: str
    at: float


@dataclass(frozen=True)
class JobNotes:
    """Files that record the jobs of one run.

    Attributes:
        folder: the launcher's folder inside the study directory.
        run: name of the run directory.
    """

    folder: Path
    run: str

    def submitted(self) -> Submitted | None:
        """Return the last submitted job; None if there is none or its record is damaged."""
        try:
            return Submitted(**read_json(self._file("job")))
        except (OSError, TypeError, InputError):
            return None

    def submit(self, note: Submitted) -> None:
        """Record a submitted job."""
        write_json(self._file("job"), asdict(note))

    def ended(self, job: str) -> int | None:
        """Return the exit code of the run in this job; None if it has not exited."""
        try:
            note = read_json(self._file("exit"))
        except (OSError, InputError):
            return None
        return int(note["code"]) if note.get("job") == job and isinstance(note.get("code"), int) else None

    def end(self, job: str, code: int) -> None:
        """Record the exit code of the run in a job."""
        write_json(self._file("exit"), {"job": job, "code": code})

    def _file(self, kind: str) -> Path:
        return self.folder / f"{self.run}.{kind}.json"
