"""Garbage: every odd kind of picture through training and prediction, and a run's files cut and mutated."""

import contextlib
import io
import json
import random
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tests.unit.data.image_fixtures import KINDS, Kind, looks_like, quarters
from tests.unit.training.mutations import COMPARE, EVALUATE, READERS, TRAIN, drawn, outcome, run_command
from torture_launches import run_killed

from artculture import cli
from artculture.data.cache.pixel_cache import open_cache
from artculture.data.sources import scan_class_folders
from artculture.utils.errors import InputError
from artculture.utils.io import read_json

STUB = (
    "data=folder",
    "data.near_duplicates=ignore",  # plain pictures are alike
    "data.image_size=32",
    "data.batch_size=8",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.precision=32",
    "architecture=timm",
    "architecture.name=test_resnet",
    "architecture.weights=none",
    "logger=csv",
)
SIDE = 40
NUMBERS = ("val_top1", "test_top1", "test_loss", "epochs", "best_score", "top1", "loss", "n")
# A mutated file that makes a command wait for ever counts as lost.
PATIENCE_SECONDS = 60


def picture_folder(root: Path) -> dict[str, Kind]:
    """Two classes of plain pictures with one of every kind among them; the file's path in the folder to its kind."""
    kinds = {}
    for number, name in enumerate(("calm", "wild")):
        (root / name).mkdir(parents=True)
        for index in range(10):
            quarters(60 + 2 * index + number, 50).save(root / name / f"plain-{index}.png")
    for number, kind in enumerate(KINDS.values()):
        folder = root / ("calm", "wild")[number % 2] / str(number)
        folder.mkdir()
        kind.write(folder / kind.file)
        kinds[(folder / kind.file).relative_to(root).as_posix()] = kind
    return kinds


def bad_images(work: Path, tally: Any) -> None:
    """Each kind must be read with its colours or quarantined with its reason, by training and by prediction."""
    root = work / "odd-pictures"
    kinds = picture_folder(root)
    typed = [*STUB, f"data.root={root}", f"study.root={work}", "study.name=odd", "data.on_bad_image=skip"]
    log = work / "odd.log"
    code = run_killed(lambda: cli.main(["train", *typed, "data.bad_image_share=0.9"]), None, 0, log)
    tally.count("a training with every kind of picture among its own", code == 0, _tail(log))
    if code:
        return
    (run,) = (work / "odd").glob("*/config.yaml")
    listed = pd.read_csv(run.parent / "quarantine.csv").set_index("image")["reason"].to_dict()
    manifest = scan_class_folders(root)[0]
    cache = open_cache(manifest, work / "cache", SIDE, "bilinear")
    rows = {image: row for row, image in enumerate(manifest.table["image"])}
    predicted = _predictions(run.parent, root, work)
    for image, kind in kinds.items():
        said = predicted.get(str(root / image), {})
        if kind.corners is None:
            well = kind.reason in listed.get(image, "not listed") and kind.reason in said.get("error", "none")
        else:
            well = image not in listed and looks_like(cache.image(rows[image]), kind.corners) and "predictions" in said
        what = "odd pictures read with their colours" if kind.corners else "bad pictures quarantined with the reason"
        tally.count(what, well, f"{image}: {listed.get(image)}, {said}")


def _predictions(run: Path, root: Path, work: Path) -> dict[str, Any]:
    out = work / "odd.jsonl"
    typed = [f"checkpoint={run}", f"images={root}", "format=jsonl", f"output={out}", "device=cpu"]
    run_killed(lambda: cli.main(["predict", *typed]), None, 0, work / "odd.log")
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.is_file() else []
    return {row["image"]: row for row in rows}


def bad_files(work: Path, count: int, dice: random.Random, tally: Any) -> None:
    """Cut and mutated files of a finished run: one clear message, or repaired with the same numbers as before."""
    place, kept = work / "mutated", work / "mutated-kept"
    typed = _whole_run(place)
    (run,) = (path.parent for path in (place / "study").glob("*/config.yaml"))
    run_killed(lambda: _bounded(EVALUATE, typed, run), None, 0, place / "train.log")
    shutil.copytree(place, kept, symlinks=True)
    numbers = {reader: _numbers(reader, run) for reader in (TRAIN, EVALUATE, COMPARE)}
    files = list(READERS)
    for number in range(count):
        name = files[number % len(files)]
        mutation = drawn(name, dice)
        reader = dice.choice(READERS[name])
        file = _file(name, place, run)
        content = file.read_bytes()
        file.write_bytes(mutation.act(content, dice))
        log = work / "mutated.log"
        log.unlink(missing_ok=True)
        code = run_killed(lambda reader=reader: _bounded(reader, typed, run), None, 0, log)
        note = outcome(code, log.read_text(errors="replace"), file)
        if code == 0 and not note and not _same(name, reader, run, numbers[reader]):
            note = "other numbers than before"
        kind = f"{mutation.name} in {name}, {reader[0]}"
        tally.count(f"mutated {file.name}: repaired, or one clear message", not note, f"{number}: {kind}: {note}")
        shutil.rmtree(place)
        shutil.copytree(kept, place, symlinks=True)


def _whole_run(place: Path) -> tuple[str, ...]:
    root = place / "pictures"
    rows = []
    for number, culture in enumerate(("calm", "wild")):
        (root / culture).mkdir(parents=True)
        for index in range(10):  # no two alike: copies would be one group of the split
            quarters(60 + 2 * index + number, 50).save(root / culture / f"{index}.png")
            rows.append({"object_id": f"{culture}-{index}", "image": f"{culture}/{index}.png", "culture": culture})
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    typed = (*STUB, f"data.root={root}", f"data.cache={place / 'cache'}", f"study.root={place}", "study.name=study")
    if run_killed(lambda: cli.main(["train", *typed]), None, 0, place / "train.log"):
        raise SystemExit((place / "train.log").read_text())
    return typed


def _file(name: str, place: Path, run: Path) -> Path:
    if name.startswith("cache/"):
        return next((place / "cache").rglob(name.removeprefix("cache/")))
    return place / "pictures" / name if name == "manifest.csv" else run / name


def _same(name: str, reader: Sequence[str], run: Path, before: Any) -> bool:
    if name == "manifest.csv":  # other data may give other numbers
        return True
    try:
        now = _numbers(reader, run)
    except InputError:
        return False
    # A row that a table leaves out is named below it.
    return now == before or (reader == COMPARE and now == [])


def _numbers(reader: Sequence[str], run: Path) -> Any:
    """What a command came to."""
    if reader == COMPARE:
        table = run.parent / "results.csv"
        return table.read_text().splitlines()[1:] if table.is_file() else []
    file = run.parents[1] / "evaluation" / "result.json" if reader == EVALUATE else run / "result.json"
    result = read_json(file) if file.is_file() else {}
    return [result.get(key) for key in NUMBERS]


def _bounded(reader: Sequence[str], typed: tuple[str, ...], run: Path) -> int:
    signal.alarm(PATIENCE_SECONDS)
    with contextlib.redirect_stdout(io.StringIO()):
        return run_command(tuple(reader), typed, run=str(run), study="study", root=str(run.parents[1]))


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else ""


if __name__ == "__main__":
    raise SystemExit("run `make torture`, or benchmarks/torture.py --only garbage")
