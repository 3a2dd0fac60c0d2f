"""Files cut at any byte or changed anywhere: a value, or one InputError that names the file; never anything else."""

import json
import random
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from artculture.collection.curation.exclusions import read_exclusions
from artculture.collection.curation.flags import read_records
from artculture.data.manifest import read_manifest
from artculture.models.checkpoint import read_checkpoint
from artculture.models.classifier import CHECKPOINT_FORMAT
from artculture.models.weights import read_state_dict
from artculture.training.run_directory import RunDirectory
from artculture.training.run_lock import read_owner
from artculture.training.run_records import metrics_numbers, read_result, read_status
from artculture.utils.errors import InputError
from artculture.utils.io import read_json
from tests.unit.studies.test_results import result
from tests.unit.training.mutations import MUTATIONS

# The same examples every time, and as many as fit among the quick tests.
bounded = settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

MANIFEST = (
    "object_id,source,image,culture,title,width,height,group,split\n"
    '1,met,images/1.jpg,Dutch,"A title, with ""quotes""",640,480,,train\n'
    "2,met,images/2.jpg,Japanese,富士山,640,480,album 1,val\n"
    "3,artic,images/3.jpg,French,,0,0,,test\n"
)
EXCLUSIONS = 'object_id,source,reason,note\n12,met,frame,\n13,,sculpture,"a note, long"\n'
METRICS = "epoch,train/loss,val/loss,val/top1,seconds\n0,1.2,1.1,0.5,3.0\n1,0.9,1.0,0.625,2.9\n2,0.7,,0.7,3.1\n"
CONFIG = "architecture:\n  name: resnet50\n  head: {hidden: [512, 128]}\ndata: {name: folder, root: /a b/c}\nseed: 0\n"
STATUS = {"state": "finished", "updated": 1.5, "pid": 4, "host": "a", "epoch": 3, "sha256": {"result.json": "ab"}}
OWNER = {"host": "a", "pid": 4, "token": "abc"}
CONTENTS = {
    "manifest.csv": (MANIFEST.encode(), read_manifest),
    "exclusions.csv": (EXCLUSIONS.encode(), read_exclusions),
    "records.csv": (EXCLUSIONS.encode(), read_records),
    "metrics.csv": (METRICS.encode(), metrics_numbers),
    "config.yaml": (CONFIG.encode(), lambda path: RunDirectory(path.parent).read_config()),
    "status.json": (json.dumps(STATUS).encode(), read_status),
    "result.json": (json.dumps(result(), indent=2).encode(), read_result),
    "other.json": (json.dumps(result()).encode(), read_json),
    ".owner.json": (json.dumps(OWNER).encode(), lambda path: read_owner(path.parent)),
}


def read(path: Path, content: bytes, reader) -> None:
    path.write_bytes(content)
    said = complaint(reader, path)
    assert said is None or path.name in said


def complaint(reader, path: Path) -> str | None:
    try:
        reader(path)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", CONTENTS)
def test_whole_files_are_read(tmp_path, name):
    content, reader = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    assert len(reader(tmp_path / name))


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_cut_at_any_byte(tmp_path, name, step):
    content, reader = CONTENTS[name]
    for length in range(0, len(content), step):
        read(tmp_path / name, content[:length], reader)


@pytest.mark.parametrize("name", CONTENTS)
@bounded
@given(seed=st.integers(0, 2**32), mutation=st.sampled_from(MUTATIONS), more=st.sampled_from(MUTATIONS))
def test_a_file_changed_anywhere(tmp_path, name, seed, mutation, more):
    content, reader = CONTENTS[name]
    dice = random.Random(seed)
    changed = mutation.act(content, dice) or b" "
    read(tmp_path / name, more.act(changed, dice), reader)


@pytest.mark.parametrize("name", CONTENTS)
@bounded
@given(content=st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
@example(content=b"[" * 2_000)
@example(content=b'{"a":' * 2_000)
@example(content=b"9" * 2_000)
@example(content=b"a: 2020-13-45\n")
@example(content=b"{}: {[1]: 2}\n")
@example(content=b"\xff\xfe\0\0")
@example(content=b"object_id,image,culture\n1,a.jpg,Dutch,more\n2,b.jpg,Dutch,more\n")
@example(content=b"object_id,image,culture,width\n1,a\0b.jpg,Dutch,1e400\n")
@example(content=b"object_id,image,culture\n1," + b"n" * 5000 + b".jpg,Dutch\n")
def test_anything_in_its_place(tmp_path, name, content):
    read(tmp_path / name, content, CONTENTS[name][1])


ODD_CELLS = ["", "..", "/etc/passwd", "a\0b", "1e400", "-1", "NaN", "train", "x/../y"]
CELLS = st.text(max_size=20) | st.sampled_from(ODD_CELLS)


@bounded
@given(rows=st.lists(st.fixed_dictionaries(dict.fromkeys(("object_id", "image", "culture", "width", "split"), CELLS))))
def test_a_manifest_of_any_cells_stays_in_its_folder(tmp_path, rows):
    import pandas as pd

    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False, errors="replace")
    said = complaint(read_manifest, tmp_path)
    if said is not None:
        assert "manifest.csv" in said
        return
    manifest = read_manifest(tmp_path)
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in manifest.paths())
    assert (manifest.table[["object_id", "image", "culture"]] != "").all(axis=None)


LINKS = {
    "image": lambda root, outside: (root / "a.jpg").symlink_to(outside / "a.jpg"),
    "to nothing outside": lambda root, outside: (root / "a.jpg").symlink_to(outside / "nothing.jpg"),
    "relative": lambda root, outside: (root / "a.jpg").symlink_to(Path("..") / outside.name / "a.jpg"),
}


@pytest.mark.parametrize("link", LINKS)
def test_a_link_out_of_the_manifest_s_folder_is_refused(tmp_path, link):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a.jpg").touch()
    LINKS[link](root, outside)
    (root / "manifest.csv").write_text("object_id,image,culture\n1,a.jpg,Dutch\n")
    with pytest.raises(InputError, match=r"line 2: image `a\.jpg` is a link out of the manifest's folder"):
        read_manifest(root)


def test_a_linked_folder_within_is_refused_and_links_inside_are_fine(tmp_path):
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real" / "a.jpg").touch()
    (root / "inner").symlink_to(root / "real")
    (tmp_path / "elsewhere").symlink_to(root)
    (root / "manifest.csv").write_text("object_id,image,culture\n1,inner/a.jpg,Dutch\n")
    assert len(read_manifest(tmp_path / "elsewhere")) == 1
    (root / "outer").symlink_to(tmp_path)
    (root / "manifest.csv").write_text("object_id,image,culture\n1,outer/a.jpg,Dutch\n")
    with pytest.raises(InputError, match="is a link out of"):
        read_manifest(root)


def tensors() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.ones(3)}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    ours = {
        "artculture": {"format": CHECKPOINT_FORMAT, "classes": ["a", "b"]},
        "hyper_parameters": {},
        "state_dict": tensors(),
    }
    torch.save(ours, folder / "a.ckpt")
    torch.save(tensors(), folder / "a.pth")
    save_file(tensors(), folder / "a.safetensors")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


READERS = {"a.ckpt": read_checkpoint, "a.pth": read_state_dict, "a.safetensors": read_state_dict}


@pytest.mark.parametrize("name", READERS)
@bounded
@given(seed=st.integers(0, 2**32), mutation=st.sampled_from(MUTATIONS[:3]))
def test_archives_of_tensors(tmp_path, archives, name, seed, mutation):
    read(tmp_path / name, mutation.act(archives[name], random.Random(seed)), READERS[name])


@bounded
@given(seed=st.integers(0, 2**32), mutation=st.sampled_from(MUTATIONS[:3]))
def test_a_damaged_checkpoint_is_never_taken_for_a_whole_one(tmp_path, archives, seed, mutation):
    (tmp_path / "a.ckpt").write_bytes(mutation.act(archives["a.ckpt"], random.Random(seed)))
    try:
        content = read_checkpoint(tmp_path / "a.ckpt")
    except InputError:
        return
    assert all(torch.equal(content["state_dict"][key], value) for key, value in tensors().items())
