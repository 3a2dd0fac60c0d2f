import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artculture.data.arrow_limits import check_pages, check_uncompressed, check_uncompressed_batches
from artculture.utils.errors import InputError

TABLE = {
    "title": [f"Picture {row}" * (row % 90) for row in range(3000)],
    "number": list(range(3000)),
    "jpg": [b"a"] * 3000,
}
OPTIONS = [
    {"compression": "none"},
    {"compression": "gzip", "data_page_version": "2.0", "use_dictionary": False},
    {"compression": "snappy", "write_page_checksum": True, "write_page_index": True},
]


def written(path, table, **options):
    pq.write_table(pa.table(table), path, row_group_size=1000, **options)
    return pq.ParquetFile(path)


def check(path, parquet, columns, limit):
    with path.open("rb") as file:
        check_pages(file, parquet, range(parquet.num_row_groups), columns, limit)


@pytest.mark.parametrize("options", OPTIONS)
def test_pages_within_the_limit_pass_whatever_wrote_them(tmp_path, options):
    path = tmp_path / "a.parquet"
    parquet = written(path, TABLE, **options)
    check(path, parquet, list(TABLE), 10**6)
    with pytest.raises(InputError, match="has a page that unpacks to"):
        check(path, parquet, ["title"], 1000)
    check(path, parquet, ["jpg"], 10_000)


def test_a_page_is_judged_by_its_own_header(tmp_path):
    path = tmp_path / "a.parquet"
    parquet = written(path, {"jpg": [bytes(20_000_000)]}, compression="zstd", write_statistics=False)
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match=r"the column jpg has a page that unpacks to 20 MB, and at most 10 MB"):
        check(path, parquet, ["jpg"], 10_000_000)
    with pytest.raises(InputError, match="is compressed, as no shard of artculture is"):
        check_uncompressed(parquet, "a.parquet")
    check_uncompressed(written(tmp_path / "b.parquet", TABLE, compression="none"), "b.parquet")


def test_a_damaged_header_is_one_error(tmp_path):
    path = tmp_path / "a.parquet"
    parquet = written(path, {"jpg": [bytes(2000)]}, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    start = parquet.metadata.row_group(0).column(0).data_page_offset
    content[start : start + 400] = b"\xff" * 400
    path.write_bytes(content)
    with pytest.raises(InputError, match="the file is damaged"):
        check(path, parquet, ["jpg"], 10_000)


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_a_compressed_index_is_refused(tmp_path, compression):
    table = pa.table(TABLE)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as out,
        pa.ipc.new_file(out, table.schema, options=options) as writer,
    ):
        writer.write_table(table)
    with pa.memory_map(str(tmp_path / "a.arrow")) as mapped:
        mapped.seek(8)
        messages = pa.ipc.MessageReader.open_stream(mapped)
        if compression is None:
            check_uncompressed_batches(messages, "a.arrow")
        else:
            with pytest.raises(InputError, match="is compressed, as no index"):
                check_uncompressed_batches(messages, "a.arrow")
