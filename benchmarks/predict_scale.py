"""Memory and rate of `artculture predict` as the number of pictures grows, and a killed command that continues."""

import argparse
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

import pandas as pd
import torch

from artculture.evaluation.image_sources import find_sources
from artculture.evaluation.inference import TorchModel
from artculture.models.checkpoint import load_classifier
from artculture.training.checkpoint_source import checkpoint_file
from artculture.utils.hardware import cpu_name
from artculture.utils.io import write_text
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.watch import INTERVAL, proportional

RESULTS = Path(__file__).parent / "results" / "predict_scale.md"
PACKAGES = ("torch", "pillow", "pandas", "pyarrow")
BATCH = 32


@dataclass(frozen=True)
class Done:
    """One command: seconds, peak memory in MB, and the table that it wrote."""

    seconds: float
    megabytes: float
    output: Path

    @property
    def rows(self) -> pd.DataFrame:
        return pd.read_parquet(self.output)


def predict(checkpoint: str, pictures: Path, output: Path, kill_after: float | None = None) -> Done:
    """Run the command; with `kill_after` seconds, kill it then."""
    command = [sys.executable, "-m", "artculture", "predict", f"checkpoint={checkpoint}", f"images={pictures}"]
    command += ["format=parquet", f"output={output}", f"batch_size={BATCH}", "device=cpu"]
    began, peak = time.monotonic(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while True:
            try:
                _, errors = process.communicate(timeout=INTERVAL)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, proportional(process.pid))
                if kill_after is not None and time.monotonic() - began > kill_after:
                    process.kill()
    assert process.returncode == (0 if kill_after is None else -signal.SIGKILL), errors[-2000:]
    return Done(time.monotonic() - began, peak, output)


def rate_of_model_alone(checkpoint: str, pictures: Path, batches: int = 40) -> float:
    """Return images/s of the model on one batch in memory, again and again."""
    model = TorchModel(load_classifier(checkpoint_file(checkpoint)), "cpu")
    batch = torch.stack([model.prepare(Path(source.name)) for source in find_sources([str(pictures)])[0][:BATCH]])
    model.probabilities(batch)
    began = time.perf_counter()
    for _ in range(batches):
        model.probabilities(batch)
    return batches * BATCH / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, help="a run, or its checkpoint")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--side", type=int, default=256, help="shorter side of the pictures, pixels")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_text(arguments.output, report(Path(folder), arguments))


def report(folder: Path, arguments: argparse.Namespace) -> str:
    load = Path("/proc/loadavg").read_text().split()[0]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    classifier = load_classifier(checkpoint_file(arguments.checkpoint))
    lines = [
        "# Prediction of many pictures\n",
        f"{datetime.now():%Y-%m-%d}, {cpu_name()}, {torch.get_num_threads()} threads, Python "
        f"{platform.python_version()}, {versions}; load average {load} before. {classifier.hyper['backbone']} at "
        f"{classifier.preprocessing.image_size} px, batches of {BATCH}, shorter sides of {arguments.side} px, "
        "one command each with `format=parquet`. Rates are of the whole command: start, list of the pictures and "
        "table included.\n",
        "| pictures | seconds | images/s | of the model alone | peak memory, MB |\n|---:|---:|---:|---:|---:|",
    ]
    for count in arguments.counts:
        make_gallery(folder / str(count), count, shorter_side=arguments.side)
        pictures = folder / str(count) / "train"
        alone = rate_of_model_alone(arguments.checkpoint, pictures)
        done = predict(arguments.checkpoint, pictures, folder / f"{count}.parquet")
        assert len(done.rows) == count
        rate = count / done.seconds
        lines.append(f"| {count:,} | {done.seconds:.0f} | {rate:.0f} | {rate / alone:.2f} | {done.megabytes:.0f} |")
        if count == arguments.counts[0]:
            again = folder / "again.parquet"
            predict(arguments.checkpoint, pictures, again, kill_after=done.seconds / 2)
            rest = predict(arguments.checkpoint, pictures, again)
            assert rest.rows.equals(done.rows)
            note = (
                f"\nKilled by SIGKILL after {done.seconds / 2:.0f} s, the command of {count:,} pictures took "
                f"{rest.seconds:.0f} s when it was run again, and its table equals that of the command not killed."
            )
    counts = " ".join(map(str, arguments.counts))
    lines.append(
        f"{note}\n\n`python -m benchmarks.predict_scale --checkpoint RUN --counts {counts} --side {arguments.side}`"
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
