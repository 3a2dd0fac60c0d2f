"""Load and hostile requests on `artculture serve`: throughput, latency, memory, requests lost at the end."""

import argparse
import io
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from artculture.utils.hardware import cores, cpu_name
from artculture.utils.io import write_text
from benchmarks.hostile_cases import tiny_checkpoint
from benchmarks.serve_hostile import hostile_rows

RESULTS = Path(__file__).parent / "results" / "serve.md"
PACKAGES = ("torch", "fastapi", "uvicorn", "pillow")
CLIENTS = (1, 8, 64)
UNTRAINED = "efficientnet_lite0"
TYPE = {"Content-Type": "image/jpeg"}


@dataclass
class Load:
    """What clients saw: seconds of each answer, other statuses than 200, and requests without an answer."""

    seconds: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wall: float = 0.0

    def milliseconds(self, quantile: float) -> float:
        return 1000 * float(np.quantile(self.seconds, quantile))


class Served:
    """A server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.port = process, port

    def megabytes(self) -> float:
        """Return the resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096 / 1e6

    def answers(self, picture: bytes) -> bool:
        """Return whether a usual request is answered."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/predict", picture, TYPE)
        return connection.getresponse().status == 200


@contextmanager
def served(checkpoint: str, *overrides: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "artculture", "serve", f"checkpoint={checkpoint}", "port=0", "device=cpu"]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([*command, *overrides], stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if "answers" in line), None)
            if line is None:
                errors.seek(0)
                raise SystemExit(errors.read())
            yield Served(process, int(line.split()[0].rpartition(":")[2]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def ask(port: int, pictures: list[bytes], load: Load, more: Callable[[], bool]) -> None:
    """Send pictures over one connection, one after the other, while `more()` is true or the server answers."""
    connection, number = HTTPConnection("127.0.0.1", port, timeout=120), 0
    while more():
        began = time.perf_counter()
        try:
            connection.connect() if connection.sock is None else None
        except OSError:
            return  # the server has ended: nothing was sent
        try:
            connection.request("POST", "/predict", pictures[number % len(pictures)], TYPE)
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException) as error:
            load.lost.append(f"{type(error).__name__}: {error}")
            return
        number += 1
        if response.status == 200:
            load.seconds.append(time.perf_counter() - began)
        else:
            load.refused.append(response.status)


def run_clients(port: int, pictures: list[bytes], clients: int, requests: int | None) -> Load:
    """Return the load of clients until so many requests were begun; None for as long as the server answers."""
    load, left, lock = Load(), requests or 0, threading.Lock()

    def more() -> bool:
        nonlocal left
        if requests is None:
            return True
        with lock:
            left -= 1
            return left >= 0

    threads = [
        threading.Thread(target=ask, args=(port, pictures[n % len(pictures) :] + pictures, load, more))
        for n in range(clients)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.wall = time.perf_counter() - began
    return load


def throughput(server: Served, pictures: list[bytes], requests: int) -> list[str]:
    lines = [
        "| clients | requests | requests/s | p50, ms | p99, ms | not answered with 200 |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    run_clients(server.port, pictures, 8, max(16, requests // 10))  # does not count
    for clients in CLIENTS:
        load = run_clients(server.port, pictures, clients, requests)
        rate, failed = len(load.seconds) / load.wall, len(load.refused) + len(load.lost)
        times = f"{load.milliseconds(0.5):.0f} | {load.milliseconds(0.99):.0f}"
        lines.append(f"| {clients} | {requests} | {rate:.1f} | {times} | {failed} |")
    return lines


def memory(server: Served, pictures: list[bytes], requests: int) -> list[str]:
    lines = ["| requests | resident memory, MB |", "|---:|---:|", f"| 0 | {server.megabytes():.0f} |"]
    done, failed = 0, 0
    for _ in range(5):
        load = run_clients(server.port, pictures, 8, requests // 5)
        done, failed = done + len(load.seconds), failed + len(load.refused) + len(load.lost)
        lines.append(f"| {done} | {server.megabytes():.0f} |")
    return [*lines, "", f"Not answered with 200: {failed}."]


def shutdown(checkpoint: str, pictures: list[bytes], clients: int, seconds: float) -> list[str]:
    """SIGTERM under load: every request that was sent must be answered."""
    with served(checkpoint) as server:
        timer = threading.Timer(seconds, lambda: server.process.send_signal(signal.SIGTERM))
        timer.start()
        load = run_clients(server.port, pictures, clients, None)
        code = server.process.wait(120)
    lost = f"{len(load.lost)} lost" + (f" ({load.lost[0]})" if load.lost else "")
    return [
        f"SIGTERM after {seconds:g} s with {clients} clients: {len(load.seconds)} requests answered with 200, "
        f"{len(load.refused)} refused, {lost}; exit code {code}."
    ]


def drawn(count: int = 50) -> list[bytes]:
    """Return JPEGs of 800 x 600 pixels, about as large as photographs of paintings of that size."""
    rng, made = np.random.default_rng(0), []
    for _ in range(count):
        noise = Image.fromarray(rng.integers(0, 256, (600, 800, 3), dtype=np.uint8))
        with io.BytesIO() as file:
            noise.filter(ImageFilter.GaussianBlur(2)).save(file, "JPEG", quality=90)
            made.append(file.getvalue())
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", help="a run directory, a checkpoint or an ONNX file; else an untrained network")
    parser.add_argument("--images", type=Path, help="a folder of JPEG files; else drawn ones")
    parser.add_argument("--requests", type=int, default=600, help="at each number of clients")
    parser.add_argument("--memory-requests", type=int, default=10_000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artculture-") as folder:
        checkpoint = arguments.checkpoint or str(tiny_checkpoint(Path(folder), UNTRAINED, 224))
        files = sorted(arguments.images.glob("*.jpg"))[:200] if arguments.images else []
        text = report(checkpoint, [file.read_bytes() for file in files] or drawn(), arguments)
    write_text(arguments.output, text)


def report(checkpoint: str, pictures: list[bytes], arguments: argparse.Namespace) -> str:
    """Return the page of results."""
    before = _load()
    with served(checkpoint) as server:
        speed = throughput(server, pictures, arguments.requests)
        room = memory(server, pictures, arguments.memory_requests)
    end = shutdown(checkpoint, pictures, 64, 10)
    with served(checkpoint) as server:
        hostile = hostile_rows(server, pictures[0])
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    model = Path(checkpoint).name if arguments.checkpoint else f"{UNTRAINED}, untrained, 224 px"
    size = np.mean([len(picture) for picture in pictures]) / 1000
    lines = [
        "# Load on `artculture serve`\n",
        f"{datetime.now():%Y-%m-%d}, {cpu_name()}, {cores()} cores, Python {platform.python_version()}, {versions}; "
        f"load average {before} before and {_load()} after. {model}, pictures of {size:.0f} "
        "kB on average, each sent as the body of a POST /predict over a connection that is kept open. Clients and "
        "server share the cores.\n",
        "## Throughput and latency\n",
        *speed,
        "\n## Memory\n",
        *room,
        "\n## The end\n",
        *end,
        "\n## Hostile clients\n",
        *hostile,
        f"\n`python -m benchmarks.serve{_typed(arguments)}`\n",
    ]
    return "\n".join(lines)


def _typed(arguments: argparse.Namespace) -> str:
    given = {"--checkpoint RUN": arguments.checkpoint, "--images FOLDER": arguments.images}
    counts = f" --requests {arguments.requests} --memory-requests {arguments.memory_requests}"
    return "".join(f" {option}" for option, value in given.items() if value) + counts


def _load() -> str:
    with suppress(OSError):
        return f"{float(Path('/proc/loadavg').read_text().split()[0]):.1f}"
    return "unknown"


if __name__ == "__main__":
    main()
