import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from artculture.data.augmentation import Augmentation
from artculture.data.data_choice import DataChoice
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.selection import select
from artculture.data.shards.packing import Packing
from artculture.data.shards.storage import Storage
from artculture.data.shards.writing import ShardWriter, WriteSummary, plan_shards
from artculture.data.transforms import Preprocessing

PREPROCESSING = Preprocessing(32, 36, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
STRONG = Augmentation((0.2, 1.0), (0.75, 1.33), flip=True, jitter=0.4, erase=0.5)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("artculture.data.shards.storage.FIRST_DELAY", 0.0)


@pytest.fixture
def write(choose, tmp_path) -> Callable[..., WriteSummary]:
    """Write the gallery as shards of three pictures."""

    def shards(to="shards", *, workers=1, pictures=3, seed=0, shorter_side=None, verify=True, **changes):
        chosen = choose(**changes)
        selection = select(chosen)
        packing = Packing(shorter_side, 90, skip_bad=chosen.on_bad_image == "skip")
        storage = Storage(to if "://" in to else str(tmp_path / to))
        writer = ShardWriter(selection, storage, packing, verify=verify, bad_share=chosen.bad_image_share)
        return writer.write(plan_shards(selection, pictures, seed), workers, lambda *_: None)

    return shards


@pytest.fixture
def sharded(choose, tmp_path) -> Callable[..., DataChoice]:
    """A `DataChoice` of the shards, with anything changed."""

    def choice(root=None, **changes):
        usual = {"name": "shards", "split": "stored", "cache_gb": 1.0, "shuffle_shards": 2}
        return choose(root=root or str(tmp_path / "shards"), **{**usual, **changes})

    return choice


@pytest.fixture
def module(sharded) -> Callable[..., PaintingsDataModule]:
    """The data module of the shards."""

    def make(choice=None, **changes):
        usual = {"augmentation": STRONG, "batch_size": 4, "seed": 0, "num_workers": 0}
        return PaintingsDataModule(choice or sharded(), PREPROCESSING, **{**usual, **changes})

    return make


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    """The test's folder behind a local address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
