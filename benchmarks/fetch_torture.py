"""Fetch from a museum that fails in every way, killed at random moments; compare with an undisturbed fetch.

Run it with `make bench-fetch`; the short form is a test.
"""

import argparse
import hashlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.unit.museum_servers import Faults, MetServer, many_places, serving  # noqa: E402

COMPARED = ("manifest.csv", "records.csv", "conflicts.csv")


@dataclass
class Figures:
    """What the torture showed; rates in requests a second, times in seconds, memory in MB."""

    objects: int
    rate: int
    kills: int = 0
    runs: int = 0
    kept: int = 0
    same_files: dict[str, bool] = field(default_factory=dict)
    whole_again: int = 0
    records_again: int = 0
    broken_files: int = 0
    half_written: int = 0
    failures: int = 0
    persistent: int = 0
    undisturbed_rate: float = 0.0
    undisturbed_seconds: float = 0.0
    tortured_seconds: float = 0.0
    busiest_second: int = 0
    memory: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def survived(self) -> bool:
        wrong = self.whole_again + self.records_again + self.broken_files + self.half_written
        return all(self.same_files.values()) and wrong == 0 and self.failures == self.persistent

    def rows(self) -> Iterator[tuple[str, str]]:
        yield "objects, kills, starts", f"{self.objects}, {self.kills}, {self.runs}"
        yield "pictures kept", str(self.kept)
        for name, same in self.same_files.items():
            yield f"{name} equals the undisturbed run's", "yes" if same else "NO"
        yield "whole pictures fetched again", str(self.whole_again)
        yield "known records fetched again", str(self.records_again)
        yield "broken or half-written files left", str(self.broken_files + self.half_written)
        yield "failures listed / pictures that never decode", f"{self.failures} / {self.persistent}"
        yield "requests answered, of them spoiled", f"{self.requests.total()}, {self.requests['spoiled']}"
        seconds = f"{self.undisturbed_seconds:.0f} s / {self.tortured_seconds:.0f} s"
        yield "undisturbed / tortured, start-ups included", seconds
        yield f"requests a second, undisturbed (limit {self.rate})", f"{self.undisturbed_rate:.1f}"
        yield "busiest second of all", str(self.busiest_second)
        yield "peak memory of a fetch", f"{self.memory:.0f} MB"


def torture(folder: Path, objects: int, kills: int, longest: float, seed: int = 0, rate: int = 80) -> Figures:
    """Fetch twice, once undisturbed and once tortured.

    Args:
        folder: an empty folder to work in.
        longest: seconds that a fetch may live before it is killed.
        rate: requests a second that the fetch may make; The Met allows 80.
    """
    figures = Figures(objects, rate)
    draw = random.Random(seed)
    never = {path for path in map(_picture_path, many_places(objects)) if _share(path) < 0.005}
    slowly: Counter[str] = Counter()

    def broken(path: str) -> bool:
        slowly[path] += 1
        return path in never or (0.005 <= _share(path) < 0.01 and slowly[path] <= 2)

    figures.persistent = len(never)
    with serving(MetServer(many_places(objects), faults=Faults(broken=lambda path: path in never))) as server:
        began = time.monotonic()
        _fetch(server, folder / "calm", rate).wait()
        figures.undisturbed_seconds = time.monotonic() - began
        times = [request.at for request in server.requests]
        figures.undisturbed_rate = (len(times) - 1) / (times[-1] - times[0])
        figures.busiest_second = server.busiest_second()
        server.requests.clear()
        server.faults = Faults(
            too_many=0.05, server_error=0.05, truncated=0.02, html=0.02, broken=broken, seed=seed,
            retry_after="1", retry_after_share=0.1,
        )  # fmt: skip
        began = time.monotonic()
        _kill_and_finish(server, folder / "tortured", kills, longest, draw, figures)
        figures.tortured_seconds = time.monotonic() - began
        figures.busiest_second = max(figures.busiest_second, server.busiest_second())
        figures.requests.update("whole" if request.whole else "spoiled" for request in server.requests)
    figures.memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    for name in COMPARED:
        calm, tortured = (folder / kind / name for kind in ("calm", "tortured"))
        figures.same_files[name] = calm.read_bytes() == tortured.read_bytes()
    images = folder / "tortured" / "images"
    figures.kept = len(_whole_pictures(images))
    figures.broken_files = sum(1 for file in images.rglob("*.jpg") if not _decodes(file))
    figures.half_written = sum(1 for file in (folder / "tortured").rglob(".*.tmp"))
    figures.failures = len((folder / "tortured" / "failures.csv").read_text().splitlines()) - 1
    return figures


def _kill_and_finish(
    server: MetServer, root: Path, kills: int, longest: float, draw: random.Random, figures: Figures
) -> None:
    whole: set[str] = set()
    known: set[str] = set()
    while True:
        began = len(server.requests)
        process = _fetch(server, root, figures.rate)
        figures.runs += 1
        ended = True
        if figures.kills < kills:
            try:
                process.wait(timeout=draw.uniform(0.5, longest))
            except subprocess.TimeoutExpired:
                ended = False
                os.kill(process.pid, signal.SIGKILL)
                figures.kills += 1
        process.wait()
        time.sleep(0.3)  # what was on its way is answered and counted
        asked = {request.path for request in server.requests[began:]}
        figures.whole_again += len(asked & whole)
        figures.records_again += len(asked & known)
        whole = {_picture_path(int(name)) for name in _whole_pictures(root / "images")}
        known = {f"/public/collection/v1/objects/{name}" for name in _known_records(root)}
        if ended and figures.kills >= kills:
            return


def _fetch(server: MetServer, root: Path, rate: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "artculture", "fetch", "source=met", f"root={root}"]
    options = {"base_url": server.api, "rate": rate, "start_rate": rate, "backoff": 0.05, "timeout": 10}
    command += [f"source.{name}={value}" for name, value in options.items()]
    command.append(f"museums.met.rate_limit={rate}")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _share(path: str) -> float:
    return int(hashlib.sha256(path.encode()).hexdigest()[:8], 16) / 2**32


def _picture_path(number: int) -> str:
    return f"/CRDImages/ep/web-large/DP{number}.jpg"


def _whole_pictures(images: Path) -> set[str]:
    return {file.stem for file in images.rglob("[!.]*.jpg") if _decodes(file)}


def _decodes(file: Path) -> bool:
    try:
        with Image.open(file) as image:
            image.load()
    except OSError:
        return False
    return True


def _known_records(root: Path) -> set[str]:
    with tempfile.TemporaryDirectory() as copy:
        for file in (root / ".fetch").glob("ledger.sqlite3*"):
            shutil.copy(file, copy)
        connection = sqlite3.connect(Path(copy) / "ledger.sqlite3")
        try:
            return {row[0] for row in connection.execute("select object_id from records")}
        except sqlite3.OperationalError:  # killed before the first table
            return set()
        finally:
            connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--longest", type=float, default=7.0, help="seconds before a kill, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="Markdown file to write")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = torture(Path(folder), given.objects, given.kills, given.longest, given.seed)
    lines = ["| what | result |", "|---|---|", *(f"| {what} | {result} |" for what, result in figures.rows())]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if given.results:
        given.results.parent.mkdir(parents=True, exist_ok=True)
        given.results.write_text(f"# Fetch under torture\n\n{text}")
    return 0 if figures.survived else 1


if __name__ == "__main__":
    sys.exit(main())
