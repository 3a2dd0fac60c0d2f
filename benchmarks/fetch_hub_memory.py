"""Peak memory of `artculture fetch source=met_hub` on realistic shards, in large and small row groups."""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.unit.museum_servers import PLACES, table_row  # noqa: E402

BATCH = 200  # rows written at once
# Of the process itself: `getrusage` would count what the parent held when it forked.
FOLLOWER = """
import re, sys
from artculture.cli import main
code = main(sys.argv[1:])
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
sys.exit(code)
"""


def write_shard(path: Path, rows: int, rows_per_group: int, first: int) -> None:
    """A shard in which every fourth row is a painting, with pictures of about 100 KB that don't compress."""
    generator = np.random.default_rng(first)
    noise = Image.fromarray(generator.integers(0, 255, (300, 400, 3), dtype=np.uint8))
    places = list(PLACES)
    writer = None
    for start in range(0, rows, BATCH if rows_per_group >= BATCH else rows_per_group):
        batch = []
        for number in range(first + start, first + min(rows, start + min(BATCH, rows_per_group))):
            out = io.BytesIO()
            noise.rotate(number % 360).save(out, "JPEG", quality=88, comment=str(number).encode())
            kind = {} if number % 4 == 0 else {"Classification": "Prints", "Object Name": "Print"}
            row = table_row(number, places[number // 4 % len(places)], **kind)
            batch.append({**row, "url": f"https://x/{number}.jpg", "jpg": {"bytes": out.getvalue(), "path": None}})
        table = pa.Table.from_pylist(batch)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    if rows_per_group > BATCH:
        whole = pq.read_table(path)
        pq.write_table(whole, path, row_group_size=rows_per_group)


def measured(shards: Path, root: Path) -> tuple[int, float, int]:
    """Peak memory in MB, seconds, and pictures kept of one fetch."""
    command = [
        sys.executable,
        "-c",
        FOLLOWER,
        "fetch",
        "source=met_hub",
        f"source.path={shards}",
        f"root={root}",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - began
    return int(ended.stdout.split()[-1]), seconds, len(list((root / "images").rglob("*.jpg")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000, help="rows of a shard, about 100 KB each")
    parser.add_argument("--shards", type=int, default=2)
    given = parser.parse_args()
    sys.stdout.write("| rows a row group | shards | size | pictures kept | seconds | peak memory |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for rows_per_group in (100, given.rows):
        with tempfile.TemporaryDirectory() as folder:
            shards = Path(folder) / "shards"
            shards.mkdir()
            for number in range(given.shards):
                write_shard(shards / f"{number:04}.parquet", given.rows, rows_per_group, 1 + number * given.rows)
            size = sum(file.stat().st_size for file in shards.iterdir()) // 2**20
            memory, seconds, kept = measured(shards, Path(folder) / "root")
            row = [rows_per_group, given.shards, f"{size} MB", kept, f"{seconds:.0f}", f"{memory} MB"]
            sys.stdout.write(f"| {' | '.join(map(str, row))} |\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
