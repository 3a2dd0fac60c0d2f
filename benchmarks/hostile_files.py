"""Hostile files and names: bombs, scripts, formulas, escape sequences, planted links, secrets, outputs in the way."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from tests.integration.collection.test_met_hub import hub_row
from tests.unit.collection.curation.samples import collection

from benchmarks.hostile_cases import Attack, Case, Ended, Outcome, artculture, message, tiny_checkpoint

SECRET = "topsecret0123456789"
SCRIPT = "<script>alert(1)</script>"
ESCAPES = "\x1b]0;owned\x07\x1b[2J"
FORMULA = "=cmd|' /c calc'!A1"
# Bytes that the bombs unpack to.
UNPACKED = 1 << 29
# Resident memory of a command that reads the bomb; without it, commands with torch take about 1,100 MB.
MOST_MEGABYTES = 1500


@dataclass(frozen=True)
class Prepared:
    """A command, what it must say, and how its outcome is judged.

    Attributes:
        says: text of the output.
        judged: returns (lost, leaked) when the command has ended.
        file: the hostile file, whose size is reported.
    """

    command: tuple[str, ...]
    says: str
    code: int = 2
    judged: Callable[[Ended], tuple[int, int]] = lambda _: (0, 0)
    file: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)


def file_case(name: str, make: Callable[[Path], Prepared], *, short: bool = False) -> Case:
    """Return the case of a command on hostile files."""

    @contextmanager
    def prepare(folder: Path) -> Iterator[Attack]:
        made = make(folder)

        def check(ended: Ended) -> Outcome:
            assert ended.code == made.code, f"exit code {ended.code}"
            assert "Traceback" not in ended.output, "a traceback"
            assert made.says in ended.output, f"`{made.says}` is not said"
            assert ended.megabytes < MOST_MEGABYTES, f"{ended.megabytes:.0f} MB of memory"
            lost, leaked = made.judged(ended)
            leaked += (SECRET in ended.output) + ("\x1b]" in ended.output) + ("weights_only" in ended.output)
            return Outcome(message(ended)[-100:] if made.code else "done, nothing of it runs", lost, leaked)

        size = made.file.stat().st_size if made.file else 0
        yield Attack(made.command, check, lambda: size, environment=made.environment)

    return Case(name, prepare, short)


def png(folder: Path) -> Prepared:
    """400 million pixels in some kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 6, 0, 0, 0)
    path = folder / "bomb.png"
    packed = zlib.compress(bytes(1 << 20))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))
    command = artculture("predict", f"checkpoint={tiny_checkpoint(folder)}", f"images={path}", "device=cpu")
    return Prepared(command, "a decompression bomb", 1, file=path)


def picture(folder: Path) -> Path:
    """Return the path of a harmless picture."""
    Image.new("RGB", (40, 40)).save(folder / "a.png")
    return folder / "a.png"


def weights(folder: Path) -> Prepared:
    """An archive of torch.save that was packed."""
    plain, path = io.BytesIO(), folder / "bomb.ckpt"
    torch.save({"a": torch.zeros(UNPACKED // 4)}, plain)
    with zipfile.ZipFile(plain) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in whole.namelist():
            out.writestr(name, whole.read(name))
    return Prepared(
        artculture("predict", f"checkpoint={path}", f"images={picture(folder)}"), "it unpacks to", file=path
    )


def program(folder: Path) -> Prepared:
    """A TorchScript archive as a checkpoint."""
    path = folder / "program.ckpt"
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))  # type: ignore[no-untyped-call]
    return Prepared(
        artculture("predict", f"checkpoint={path}", f"images={picture(folder)}"), "a TorchScript archive", file=path
    )


def parquet(folder: Path) -> Prepared:
    """A page of some kB that unpacks to half a gigabyte, in a file of the museum's dataset."""
    row = hub_row(1, "France")
    texts = {key: [row[key]] for key in row if key != "jpg"}
    path = folder / "shards" / "0000.parquet"
    path.parent.mkdir()
    table = pa.table({**texts, "jpg": pa.array([bytes(UNPACKED)], pa.binary())})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)
    command = artculture("fetch", "source=met_hub", f"source.path={path.parent}", f"root={folder / 'root'}")
    return Prepared(command, "a page that unpacks to", file=path)


def aliases(folder: Path) -> Prepared:
    """A run's config whose aliases stand for 2^40 values."""
    run = folder / "outputs" / "s" / "run"
    run.mkdir(parents=True)
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    (run / "config.yaml").write_text("\n".join(lines))
    return Prepared(artculture("report", "study.name=s"), "with its aliases written out", file=run / "config.yaml")


def names(folder: Path) -> Prepared:
    """A museum that writes scripts, formulas and escape sequences into its titles."""
    rows = [{"culture": SCRIPT, "title": FORMULA, "medium": ESCAPES, "accession_number": "1.1a"},
            {"culture": SCRIPT, "title": FORMULA, "object_id": "@SUM(A1)", "accession_number": "1.1b"}]  # fmt: skip
    root = folder / "met"
    collection(root, *rows)

    def judged(_: Ended) -> tuple[int, int]:
        pages = [(root / name).read_text() for name in ("table1.md", "dataset_card.md", "review.html")]
        ran = sum("<script>alert" in page for page in pages)
        tables = [line for file in root.glob("*.csv") for line in file.read_text().splitlines()]
        cells = [cell.strip('"') for line in tables for cell in line.split(",")]
        return 0, ran + sum(cell.startswith(("=", "@")) for cell in cells)

    return Prepared(artculture("curate", f"root={root}", "exclusions=[]"), "paintings are flagged", 0, judged)


def records(folder: Path) -> Prepared:
    """An output that would replace the museum's records."""
    root = folder / "met"
    collection(root, {}, {})
    (root / "records.csv").write_text("source,object_id\n")

    def judged(_: Ended) -> tuple[int, int]:
        return int((root / "records.csv").read_text() != "source,object_id\n"), 0

    command = artculture("curate", f"root={root}", "exclusions=[]", "output=records.csv")
    return Prepared(command, "the name of another file of the collection", judged=judged)


def output(folder: Path) -> Prepared:
    """Predictions into a file that exists."""
    taken = folder / "taken.csv"
    taken.write_text("precious")
    (folder / "a.png").touch()
    command = artculture("predict", "checkpoint=none", "images=a.png", "format=csv", f"output={taken}")
    return Prepared(command, "exists: give another name", judged=lambda _: (int(taken.read_text() != "precious"), 0))


def token(folder: Path) -> Prepared:
    """A signature in an address and the value of a variable, typed."""
    typed = [f"data.root=s3://museum/a?X-Amz-Signature={SECRET}", f"study.title=a{SECRET}b"]

    def judged(_: Ended) -> tuple[int, int]:
        written = [path for path in folder.rglob("*") if path.is_file() and path.name != "output.log"]
        return 0, sum(SECRET in str(path) or SECRET.encode() in path.read_bytes() for path in written)

    command = artculture("train", "data=shards", *(f"'{text}'" if "?" in text else text for text in typed), "plan=true")
    return Prepared(command, "give secrets by the environment alone", judged=judged, environment={"GITHUB_PAT": SECRET})


def planted(folder: Path) -> Prepared:
    """A link to the user's file at the name of an unfinished cache."""
    victim = folder / "victim"
    victim.write_text("precious")
    root = folder / "met"
    collection(root, {}, {})
    code = (
        "from pathlib import Path; from artculture.data.cache import pixel_cache as cache; "
        "from artculture.data.manifest import read_manifest; from artculture.utils.errors import InputError\n"
        "import sys\n"
        f"manifest, folder = read_manifest(Path({str(root)!r})), Path('cache')\n"
        "target = folder / 'pixels' / cache._key(manifest, 32, 'bilinear'); target.mkdir(parents=True)\n"
        f"(target / 'pixels.part').symlink_to({str(victim)!r})\n"
        "try: cache.open_cache(manifest, folder, 32, 'bilinear')\n"
        "except InputError as error: sys.exit(str(error))"
    )
    says = "is a link, which another user may have placed there"
    return Prepared(("-c", code), says, 1, lambda _: (int(victim.read_text() != "precious"), 0))


CASES: tuple[Case, ...] = (
    file_case("PNG of 400 megapixels in predict", png),
    file_case("packed weights in predict", weights),
    file_case("TorchScript in predict", program),
    file_case("parquet page of 0.5 GB in fetch", parquet),
    file_case("YAML aliases in report", aliases),
    file_case("scripts, formulas and escapes in curate", names, short=True),
    file_case("output=records.csv in curate", records),
    file_case("existing output in predict", output),
    file_case("secrets typed in train", token, short=True),
    file_case("planted link in a cache", planted),
)
