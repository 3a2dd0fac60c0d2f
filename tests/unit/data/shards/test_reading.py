import json
import multiprocessing
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from artculture.data.datamodule import PaintingsDataModule
from artculture.data.sharding import RankSlice
from artculture.data.shards import pixels
from artculture.data.shards.index import read_sharded
from artculture.data.shards.storage import ShardError, Storage
from artculture.utils.errors import InputError

from .conftest import PREPROCESSING


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the first test leaves the shards for the next ones."""
    return tmp_path_factory.mktemp("kept") / "shards"


@pytest.fixture(autouse=True)
def _written(write, kept, tmp_path):
    if not kept.is_dir():
        write()
        shutil.copytree(tmp_path / "shards", kept)
    shutil.copytree(kept, tmp_path / "shards", dirs_exist_ok=True)


def epoch_of(module, epoch=0):
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def same(one, other):
    left, right = ([part for batch in batches for part in batch] for batches in (one, other))
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def by_name(module, batches):
    names = module.paintings.selection.manifest.table["object_id"]
    return {
        names[int(row)]: (int(label), picture)
        for pictures, labels, rows in batches
        for picture, label, row in zip(pictures, labels, rows, strict=True)
    }


def test_the_same_pictures_as_from_the_folder(module, choose):
    direct = PaintingsDataModule(choose(), PREPROCESSING, batch_size=4, num_workers=0)
    for split in ("train", "val", "test"):
        here, there = (by_name(m, m.eval_dataloader(split)) for m in (module(), direct))
        assert list(here.keys()) != []
        assert here.keys() == there.keys()
        for name, (label, picture) in here.items():
            assert label == there[name][0]
            assert torch.equal(picture, there[name][1])


def test_an_epoch_meets_each_painting_once(module):
    shards = module()
    for epoch in (0, 1):
        rows = torch.cat([rows for _, _, rows in epoch_of(shards, epoch)]).tolist()
        assert sorted(rows) == shards.paintings.selection.members("train").tolist()


def test_every_start_meets_the_same_epoch(module, sharded, tmp_path):
    first = [epoch_of(module(), epoch) for epoch in (0, 3)]
    again = [epoch_of(module(sharded(cache=str(tmp_path / "other"))), epoch) for epoch in (0, 3)]
    assert all(same(one, other) for one, other in zip(first, again, strict=True))


# Python 3.12 warns where torch forks its workers from a process with threads.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_loader_processes_change_nothing(module):
    alone, helped = module(), module(num_workers=2)
    for epoch in (0, 1):
        assert same(epoch_of(alone, epoch), epoch_of(helped, epoch))


def test_a_small_cache_changes_nothing_and_stays_small(module, sharded, tmp_path, monkeypatch):
    roomy = module()
    limit = int(np.sort(roomy.paintings.cache.sizes)[-4:].sum())
    made = []
    monkeypatch.setattr(pixels, "build_cache", lambda *args, **named: (made.append(args[2]), build(*args, **named))[1])
    small = module(sharded(cache_gb=limit / 1e9, cache=str(tmp_path / "small")))
    for epoch in range(3):
        assert same(epoch_of(small, epoch), epoch_of(roomy, epoch))
        held = [file.stat().st_size for file in (tmp_path / "small/shards/pixels").rglob("pixels.bin")]
        assert sum(held) <= limit
    again = [target for target in made if tmp_path / "small" in target.parents]
    assert len(again) > len(set(again)) == 6


build = pixels.build_cache


def test_too_small_a_cache_is_refused(module, sharded):
    with pytest.raises(InputError, match=r"data.cache_gb=1e-05 is too little: 4 .* lower data.shuffle_shards"):
        module(sharded(cache_gb=1e-5)).train_dataloader()


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_a_resumed_epoch_continues_exactly(module, batches):
    whole = epoch_of(module(), 2)
    resumed = module()
    resumed.load_state_dict({"epoch": 2, "batches": batches, "batch_size": 4})
    assert same(list(resumed.train_dataloader()), whole[batches:])


def test_devices_share_out_the_batches_of_one(module):
    alone = epoch_of(module(), 2)
    shared = [epoch_of(module(rank_slice=RankSlice(rank, 3)), 2) for rank in range(3)]
    for batch, *shares in zip(alone, *shared, strict=True):
        for part, parts in zip(batch, zip(*shares, strict=True), strict=True):
            assert torch.equal(torch.cat(parts), part)


def test_what_comes_next_is_fetched_ahead(module, sharded, monkeypatch):
    asked = []
    monkeypatch.setattr(pixels.ShardPixels, "prefetch", lambda _, numbers: asked.append(numbers))
    shards = module(sharded(shuffle_shards=1), batch_size=1)
    rows = torch.cat([rows for _, _, rows in epoch_of(shards)]).numpy()
    met = shards.paintings.cache.shards.shard_of(rows).tolist()
    order = list(dict.fromkeys(met))
    following = dict(zip(order, [*([s] for s in order[1:]), []], strict=True))
    assert asked == [following[s] for s in met]


def test_fetching_ahead_decodes_it(module, tmp_path):
    cache = module().paintings.cache
    cache.prefetch([2, 4])
    cache._prefetcher[1].shutdown()
    assert len(list((tmp_path / "cache/shards/pixels").glob("*/index.json"))) == 2


def test_a_shard_cleared_away_by_another_stays_readable(module, tmp_path):
    cache = module().paintings.cache
    before = cache.image(0).copy()
    shutil.rmtree(tmp_path / "cache/shards/pixels")
    np.testing.assert_array_equal(cache.image(0), before)
    np.testing.assert_array_equal(module().paintings.cache.image(0), before)


@pytest.mark.parametrize("spoil", [lambda f: f.write_bytes(f.read_bytes()[:-5]), lambda f: f.unlink()])
def test_decoded_pixels_that_were_spoilt_are_decoded_again(module, tmp_path, spoil):
    before = module().paintings.cache.image(0).copy()
    for file in (tmp_path / "cache/shards/pixels").rglob("pixels.bin"):
        spoil(file)
    np.testing.assert_array_equal(module().paintings.cache.image(0), before)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_decode_each_shard_once(sharded, tmp_path):
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        counts = pool.map(_decoded, [sharded()] * 4)
    assert sum(counts) == len(list((tmp_path / "shards").glob("*.parquet")))


def _decoded(choice):
    made = []

    def counting(*arguments, **named):
        made.append(arguments[2])
        build(*arguments, **named)

    pixels.build_cache = counting
    cache = PaintingsDataModule(choice, PREPROCESSING).paintings.cache
    for row in range(20):
        cache.image(row)
    return len(made)


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(("spoil", "says"), [(flip, "is corrupt: its SHA-256 is"), (lambda f: f.unlink(), "is not in")])
def test_a_damaged_shard_is_named_with_the_fix(module, tmp_path, spoil, says):
    spoil(next((tmp_path / "shards").glob("train-00002*")))
    says = rf"^train-00002-of-00006.parquet .*{says}.* `artculture shard` .* repairs it$"
    with pytest.raises(ShardError, match=says):
        epoch_of(module())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_loader_process_says_the_same(module, tmp_path):
    flip(next((tmp_path / "shards").glob("train-00002*")))
    with pytest.raises(ShardError, match=r"^train-00002-of-00006.parquet of .* repairs it$"):
        epoch_of(module(num_workers=1))


def test_no_shards_there(module, sharded, tmp_path):
    with pytest.raises(InputError, match=r"no shards.json in .*elsewhere: `artculture shard"):
        _ = module(sharded(str(tmp_path / "elsewhere"))).paintings


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "has format 2, this version reads 1"),
        ({"shards": []}, "is not a complete listing"),
        ({"index_sha256": "../../etc"}, "is not a complete listing"),
    ],
)
def test_a_listing_of_another_kind_is_refused(module, tmp_path, change, says):
    file = tmp_path / "shards" / "shards.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match=says):
        _ = module().paintings


@pytest.mark.parametrize("name", ["../secret.parquet", "/etc/passwd", "a/b.parquet"])
def test_a_shard_outside_the_folder_is_refused(module, tmp_path, name):
    file = tmp_path / "shards" / "shards.json"
    listing = json.loads(file.read_text())
    listing["shards"][0]["name"] = name
    file.write_text(json.dumps(listing))
    with pytest.raises(InputError, match="is not a complete listing"):
        _ = module().paintings


def test_a_spoilt_index_is_named(module, tmp_path):
    flip(tmp_path / "shards" / "index.arrow")
    with pytest.raises(ShardError, match=r"index.arrow of .* is corrupt"):
        _ = module().paintings


def test_the_manifest_holds_no_python_objects(tmp_path):
    table = read_sharded(str(tmp_path / "shards"), tmp_path).table
    assert not any(pd.api.types.is_object_dtype(kind) for kind in table.dtypes)
    assert isinstance(table["culture"].dtype, pd.CategoricalDtype)


def test_another_split_may_be_drawn(module, sharded):
    other = module(sharded(split="stratified", split_seed=3)).paintings.selection
    stored = module().paintings.selection
    assert (other.split != stored.split).any()
    assert [len(other.members(s)) for s in ("train", "val", "test")] == [16, 2, 2]


def test_cultures_may_be_left_out(write, module, sharded, gallery, tmp_path):
    for index in range(4):
        (gallery / "third").mkdir(exist_ok=True)
        (gallery / "calm" / f"{index}.png").rename(gallery / "third" / f"{index}.png")
    write("three")
    some = module(sharded(str(tmp_path / "three"), cultures=["wild", "third"]))
    assert by_name(some, epoch_of(some)).keys() <= {f"{c}/{i}" for c in ("wild", "third") for i in range(10)}
    manifest = some.paintings.selection.manifest
    for row, image in enumerate(manifest.table["image"]):
        assert manifest.picture(row) == (gallery / image).read_bytes()


def test_a_path_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Storage("~/shards").local == tmp_path / "shards"
    assert Storage(f"file://{tmp_path}/shards").local == tmp_path / "shards"
