import itertools
import os
import shutil
from pathlib import Path

import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem

from artculture.data.shards import index, storage
from artculture.data.shards.index import read_sharded
from artculture.data.shards.storage import MAX_ATTEMPTS, ShardError, Storage
from artculture.utils.errors import InputError
from tests.unit.museum_servers import Answer, MuseumServer, serving

from .conftest import files_of


@pytest.fixture(scope="module")
def store():
    """An S3 store on this machine (moto's server); the address of a bucket."""
    boto3, moto_server = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for key, value in settings.items():
            patch.setenv(key, value)
        boto3.client("s3").create_bucket(Bucket="paintings")
        yield "s3://paintings"
    server.stop()


@pytest.fixture
def bucket(store, request) -> str:
    return f"{store}/{request.node.name}"


@pytest.fixture
def memory():
    yield "memory://shards"
    MemoryFileSystem.store.clear()


def epoch_of(module, epoch=1):
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return torch.cat([pictures for pictures, _, _ in loader])


@pytest.mark.slow
def test_an_object_store_serves_what_a_folder_serves(write, module, sharded, bucket, tmp_path):
    write()
    write(bucket)
    here, there = module(), module(sharded(bucket))
    assert torch.equal(epoch_of(here), epoch_of(there))
    there.paintings.cache._prefetcher[1].shutdown()
    # Nothing of what was fetched stays but the decoded pixels and the index.
    left = {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert ".parquet" not in left
    assert ".tmp" not in left


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_loader_processes_reach_an_object_store(write, module, sharded, bucket):
    write(bucket)
    alone = epoch_of(module(sharded(bucket)))
    helped = module(sharded(bucket, cache=str(Path(sharded().cache) / "other")), num_workers=2)
    assert torch.equal(epoch_of(helped), alone)


@pytest.mark.parametrize("storage", ["memory", pytest.param("bucket", marks=pytest.mark.slow)])
def test_writing_elsewhere_continues_and_repairs(write, request, storage):
    url = request.getfixturevalue(storage)
    first = write(url)
    storage = Storage(url)
    storage.remove("shards.json")
    assert write(url).kept == 0  # the notes went with the list
    storage.write_text("train-00003-of-00006.parquet", "spoilt")
    assert write(url).kept == first.shards - 1
    storage.write_text("train-00004-of-00006.parquet", "spoilt")
    assert write(url, verify=False).kept == first.shards - 1  # by its size


def test_a_picture_is_read_out_of_its_shard_alone(write, memory, gallery, tmp_path):
    write(memory)
    manifest = read_sharded(memory, tmp_path / "cache")
    assert manifest.picture(7) == (gallery / manifest.table["image"][7]).read_bytes()


def test_a_web_address_serves_the_same(write, module, sharded, server):
    write()
    assert torch.equal(epoch_of(module(sharded(f"{server}/shards"))), epoch_of(module()))


def test_a_place_that_takes_nothing(write, memory, monkeypatch):
    def refuse(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr(MemoryFileSystem, "put_file", refuse)
    with pytest.raises(InputError, match="nothing can be written to an address of this kind"):
        write(memory)


@pytest.fixture
def failing(monkeypatch):
    """Makes the next `times` fetches from memory:// fail, after half of the file."""

    def fail(times):
        calls = []

        def get_file(self, path, local, **options):
            calls.append(path)
            if len(calls) <= times:
                Path(local).write_bytes(self.cat_file(path)[:100])
                raise ConnectionResetError("reset by peer")
            Path(local).write_bytes(self.cat_file(path))

        monkeypatch.setattr(MemoryFileSystem, "get_file", get_file)
        return calls

    return fail


def test_a_fetch_that_fails_is_tried_again(write, module, sharded, memory, failing):
    write(memory)
    write()
    failing(MAX_ATTEMPTS - 1)
    assert torch.equal(epoch_of(module(sharded(memory))), epoch_of(module()))


def test_a_fetch_that_keeps_failing_ends_in_one_error(write, module, sharded, memory, failing, tmp_path):
    write(memory)
    shards = module(sharded(memory))
    _ = shards.paintings
    calls = failing(10**6)
    with pytest.raises(ShardError, match=rf"in {MAX_ATTEMPTS} attempts \(reset by peer\).*again to continue"):
        shards.paintings.cache.image(0)
    assert len(calls) == MAX_ATTEMPTS
    assert not list((tmp_path / "cache").rglob("*.tmp"))


@pytest.mark.parametrize(("times", "well"), [(1, True), (2, False)])
def test_a_shard_that_arrives_spoilt_is_fetched_once_more(write, module, sharded, memory, monkeypatch, times, well):
    write(memory)
    shards = module(sharded(memory))
    _ = shards.paintings
    calls = []

    def get_file(self, path, local, **options):
        calls.append(path)
        content = self.cat_file(path)
        Path(local).write_bytes(content[:-1] + b"?" if len(calls) <= times else content)

    monkeypatch.setattr(MemoryFileSystem, "get_file", get_file)
    if well:
        shards.paintings.cache.image(0)
    else:
        with pytest.raises(ShardError, match=r"^train-00000-of-00006.parquet of memory://.* is corrupt"):
            shards.paintings.cache.image(0)
    assert len(calls) == 2


def test_a_killed_fetch_leaves_nothing_behind(write, module, sharded, memory, tmp_path):
    write(memory)
    folder = tmp_path / "cache" / "shards" / "pixels"
    folder.mkdir(parents=True)
    host, gone = os.uname().nodename, 2**22 + 1
    (folder / f".train-00000-of-00006.parquet.{host}.{gone}.tmp").write_bytes(b"half")
    module(sharded(memory)).paintings.cache.image(0)
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.parametrize("url", ["nowhere://x/y", "s4://bucket"])
def test_an_address_that_nobody_knows(url):
    with pytest.raises(InputError, match=r"nowhere|s4"):
        Storage(url)


def test_a_store_whose_package_is_missing(monkeypatch):
    def missing(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("artculture.data.shards.storage.url_to_fs", missing)
    with pytest.raises(InputError, match=r"Install s3fs.*pip install 'artculture\[shards\]'"):
        Storage("s3://bucket/paintings")


def test_a_server_that_is_gone_is_one_error(module, sharded):
    with pytest.raises(ShardError, match=r"^shards.json of http://.* not be reached in \d attempts .*127.0.0.1:9"):
        _ = module(sharded("http://127.0.0.1:9/shards")).paintings


@pytest.mark.parametrize(
    ("hostile", "answer", "reason"),
    [
        ("shards.json", Answer(302, b"", headers={"Location": "http://169.254.169.254/x"}), "in a private network"),
        ("shards.json", Answer(200, b"", chunks=itertools.repeat(bytes(100_000))), "more than 1 MB"),
        ("index.arrow", Answer(302, b"", headers={"Location": "http://[::1]/x"}), "in a private network"),
        ("index.arrow", Answer(200, b"", chunks=itertools.repeat(bytes(100_000))), "more than 1 MB"),
    ],
)
def test_a_hostile_server_is_refused(write, module, sharded, tmp_path, monkeypatch, hostile, answer, reason):
    monkeypatch.setattr(storage, "MAX_TEXT_BYTES", 1_000_000)
    monkeypatch.setattr(index, "INDEX_BYTES", 1_000_000)
    monkeypatch.setattr(index, "INDEX_BYTES_PER_ROW", 0)
    write()

    class Shards(MuseumServer):
        def answer(self, path, *_):
            name = path.rpartition("/")[2]
            return answer if name == hostile else Answer(200, (tmp_path / "shards" / name).read_bytes())

    with serving(Shards()) as server, pytest.raises(ShardError, match=reason):
        _ = module(sharded(f"{server.base}/shards")).paintings
    assert server.bytes_sent < 50_000_000  # the kernel buffers some


def test_memory_holds_what_a_folder_holds(write, memory, tmp_path):
    write()
    write(memory)
    for name, content in files_of(tmp_path / "shards").items():
        assert Storage(memory).read(name, lambda file: file.read()) == content
    shutil.rmtree(tmp_path / "shards")
