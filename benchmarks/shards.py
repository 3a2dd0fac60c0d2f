"""Memory and speed of shards as the number of pictures grows: written, read from a folder and from a web server."""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

RESULTS = Path(__file__).parent / "results" / "shards.md"
SIDE = 64  # pixels
DECODED = SIDE * SIDE * 3  # bytes a picture
CULTURES, DISTINCT = 11, 500
BATCH = 256

Facts = dict[str, Any]


class Memory(threading.Thread):
    """The peak of this process: resident, and the part of it that no file backs (sampled)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.anonymous = 0
        self.at_start = _status("RssAnon")

    def run(self) -> None:
        while True:
            self.anonymous = max(self.anonymous, _status("RssAnon"))
            time.sleep(0.02)

    def facts(self) -> Facts:
        return {"peak": _status("VmHWM"), "anonymous": self.anonymous, "anonymous_at_start": self.at_start}


def _status(field: str) -> int:
    """Megabytes, of `/proc/self/status`."""
    return int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024  # type: ignore[index]


def make_pictures(root: Path, count: int) -> None:
    """A manifest and its JPEGs, a file each: soft noise, of `DISTINCT` kinds with their number drawn in."""
    rng = np.random.default_rng(0)
    kinds = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((SIDE, SIDE)))
        for _ in range(DISTINCT)
    ]
    for number in range(count):
        folder = root / f"{number // 1000:04d}"
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        pixels = kinds[number % DISTINCT].copy()
        # A mark of its own: no two files are the same.
        pixels[:4, :40] = np.repeat([(number >> bit & 1) * 255 for bit in range(20)], 2)[None, :, None]
        Image.fromarray(pixels).save(folder / f"{number:07d}.jpg", quality=85)
    numbers = np.arange(count)
    images = [f"{number // 1000:04d}/{number:07d}.jpg" for number in numbers]
    titles = [f"Untitled study in soft noise, number {number}" for number in numbers]
    culture, group = numbers % CULTURES, numbers // 2
    table = pd.DataFrame({"object_id": numbers, "image": images, "culture": culture, "group": group, "title": titles})
    table["culture"] = table["culture"].map("culture {:02d}".format)
    table.to_csv(root / "manifest.csv", index=False)


def write(job: Facts) -> Facts:
    """`artculture shard`, in this process."""
    from artculture.cli import main

    memory = Memory()
    memory.start()
    start = time.perf_counter()
    code = main(["shard", f"data.root={job['pictures']}", f"shards={job['shards']}", f"pictures={job['per_shard']}"])
    assert code == 0
    return {"seconds": time.perf_counter() - start, **memory.facts()}


def read(job: Facts) -> Facts:
    """Epochs of training pictures; each batch's rows and pixels go into a hash."""
    from artculture.data.augmentation import Augmentation
    from artculture.data.data_choice import DataChoice
    from artculture.data.datamodule import PaintingsDataModule
    from artculture.data.transforms import Preprocessing

    usual: Facts = {"split": "stored", "split_seed": 0, "fractions": [0.8, 0.1, 0.1], "small_cultures": "error"}
    usual |= {"on_bad_image": "error", "cultures": None, "shuffle_shards": job["window"]}
    choice = DataChoice("shards", job["shards"], cache=job["cache"], cache_gb=job["cache_gb"], **usual)
    preprocessing = Preprocessing(SIDE - 8, SIDE, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    augmentation = Augmentation((0.3, 1.0), (0.75, 1.33), flip=True)
    memory = Memory()
    memory.start()
    start = time.perf_counter()
    module = PaintingsDataModule(choice, preprocessing, augmentation, BATCH, num_workers=0)
    train = len(module.paintings.selection.members("train"))
    facts: Facts = {"opened": time.perf_counter() - start, "train": train, "epochs": []}
    if job["skip"]:
        module.load_state_dict({"epoch": 0, "batches": job["skip"], "batch_size": BATCH})
    loader = module.train_dataloader()
    for epoch in range(job["epochs"]):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        facts["epochs"].append(_epoch(loader, job["skip"], train // BATCH // 2, module))
    return {**facts, **memory.facts()}


def _epoch(loader: Any, skipped: int, half: int, module: Any) -> Facts:
    digest, pictures, held = hashlib.sha256(), 0, 0
    start, first = time.perf_counter(), 0.0
    pixels = Path(module.choice.cache_folder) / "shards" / "pixels"
    for number, (batch, _, rows) in enumerate(loader, skipped):
        first = first or time.perf_counter() - start
        pictures += len(rows)
        if number >= half:
            digest.update(rows.numpy().tobytes() + batch.contiguous().numpy().tobytes())
        if number % 50 == 0:
            held = max(held, _size(pixels))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "first": first, "pictures": pictures, "held": held, "second_half": digest.hexdigest()}


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("pixels.*"):
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue  # cleared away meanwhile
    return total


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measured(what: str, **job: Any) -> Facts:
    """A job's facts, from a process of its own."""
    command = [sys.executable, __file__, "--job", json.dumps({"what": what, **job})]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "ARTCULTURE_DEBUG": "1"})
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-3000:]}")
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def measure(folder: Path, count: int, per_shard: int, window: int, cache_gb: float) -> Facts:
    """Everything for one number of pictures."""
    pictures, shards = folder / "pictures", folder / "shards"
    _say(f"{count:,}: drawing")
    make_pictures(pictures, count)
    _say(f"{count:,}: writing")
    found: Facts = {"write": measured("write", pictures=str(pictures), shards=str(shards), per_shard=per_shard)}
    found["bytes"] = sum(file.stat().st_size for file in shards.iterdir())
    usual = {"window": window, "cache_gb": cache_gb, "epochs": 1}
    _say(f"{count:,}: reading")
    found["read"] = measured("read", shards=str(shards), cache=str(folder / "cache"), skip=0, **usual)
    half = found["read"]["train"] // BATCH // 2
    _say(f"{count:,}: resuming within the epoch, from a web server")
    half = found["read"]["train"] // BATCH // 2
    with web_server(folder) as address:
        found["web"] = measured("read", shards=f"{address}/shards", cache=str(folder / "web"), skip=half, **usual)
    digests = {found[key]["epochs"][0]["second_half"] for key in ("read", "web")}
    found["exact"] = len(digests) == 1
    return found


def _say(text: str) -> None:
    sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}\n")


def report(few: int, many: int, found: dict[int, Facts], arguments: argparse.Namespace) -> str:
    """The results as Markdown."""

    def row(what: str, value: Any, unit: str = "") -> str:
        return f"| {what} | {value(found[few])}{unit} | {value(found[many])}{unit} |"

    def memory(what: str, part: str) -> Iterator[str]:
        yield row(f"{what}: peak resident memory", lambda f: f[part]["peak"], " MB")
        yield row(f"{what}: of it backed by no file", lambda f: f[part]["anonymous"], " MB")
        grown = found[many][part]["anonymous"] - found[few][part]["anonymous"]
        grown_in_all = found[many][part]["peak"] - found[few][part]["peak"]
        each = (
            f"{grown_in_all * 2**20 / (many - few):,.0f} bytes, {grown * 2**20 / (many - few):,.0f} of them no file's"
        )
        yield f"| {what}: memory a further picture | | {each} |"

    def speed(part: str, epoch: int) -> Any:
        return lambda f: f"{f[part]['epochs'][epoch]['pictures'] / f[part]['epochs'][epoch]['seconds']:,.0f}"

    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("torch", "pyarrow", "pandas", "fsspec", "pillow")
    )
    lines = [
        "# Shards: memory and speed",
        "",
        f"{datetime.now():%Y-%m-%d %H:%M}, {_processor()}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the end (other work counts in it: read speeds with care). "
        f"Python {platform.python_version()}, {versions}.",
        "",
        f"`python {' '.join(['benchmarks/shards.py', *sys.argv[1:]])}`",
        "",
        f"Synthetic JPEGs of {SIDE} px (decoded {DECODED:,} bytes each), shards of {arguments.per_shard:,}, "
        f"{arguments.window} of them shuffled together, at most {arguments.cache_gb:g} GB of decoded pixels kept. Each "
        "part is a process of its own. Mapped files count as resident while they are mapped; the system takes such "
        "memory back when it is short. The last process resumes within the epoch with an empty cache, from a server.",
        "",
        f"| | {few:,} pictures | {many:,} pictures |",
        "|---|---|---|",
        row("shards on disk", lambda f: f"{f['bytes'] / 1e6:,.0f}", " MB"),
        row("decoded pixels of all pictures", lambda f: f"{DECODED * f['count'] / 1e6:,.0f}", " MB"),
        row("written (each read back)", lambda f: f"{f['count'] / f['write']['seconds']:,.0f}", " images/s"),
        *memory("writing", "write"),
        row("opened by a reader", lambda f: f"{f['read']['opened']:.2f}", " s"),
        row("an epoch: hashes checked, decoded, cut, resized", speed("read", 0), " images/s"),
        row("its second half, fetched from a web server", speed("web", 0), " images/s"),
        row("reading: imports alone, backed by no file", lambda f: f["read"]["anonymous_at_start"], " MB"),
        *memory("reading", "read"),
        row("reading from a web server: peak resident memory", lambda f: f["web"]["peak"], " MB"),
        row("decoded pixels kept, at most", lambda f: f"{f['read']['epochs'][0]['held'] / 1e6:,.0f}", " MB"),
        row(
            "resumed within the epoch, from the server: first batch after",
            lambda f: f"{f['web']['epochs'][0]['first']:.2f}",
            " s",
        ),
        row(
            "its rows and pixels are those of the undisturbed epoch, to the bit",
            lambda f: "yes" if f["exact"] else "NO",
        ),
    ]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return named[1].strip() if named else platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=20_000)
    parser.add_argument("--many", type=int, default=200_000)
    parser.add_argument("--per-shard", type=int, default=1000)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--cache-gb", type=float, default=0.4)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job = json.loads(arguments.job)
        sys.stdout.write("\n" + json.dumps({"write": write, "read": read}[job["what"]](job)) + "\n")
        return 0
    found: dict[int, Facts] = {}
    for count in (arguments.few, arguments.many):
        with tempfile.TemporaryDirectory(prefix="artculture-shards-") as folder:
            found[count] = measure(Path(folder), count, arguments.per_shard, arguments.window, arguments.cache_gb)
            found[count]["count"] = count
    text = report(arguments.few, arguments.many, found, arguments)
    arguments.output.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0 if all(facts["exact"] for facts in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
