import os
import socket
import subprocess
import sys

import pytest

from artculture.utils.errors import InputError
from artculture.utils.io import (
    create_temporary,
    json_text,
    open_without_links,
    remove_leftovers,
    replacing,
    write_json,
    write_text,
)


def test_a_file_takes_its_place_whole_and_the_one_before_is_kept(tmp_path):
    for text in ("one", "two", "three"):
        with replacing(tmp_path / "last", keep=tmp_path / "previous") as temporary:
            temporary.write_text(text)
    assert (tmp_path / "last").read_text() == "three"
    assert (tmp_path / "previous").read_text() == "two"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failure_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "file", "before")
    with pytest.raises(TypeError), replacing(tmp_path / "file") as temporary:
        temporary.write_bytes("half")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_leftovers_go_with_their_writer(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    here = socket.gethostname()
    dead, alive = tmp_path / f".last.ckpt.{here}.{process.pid}.tmp", tmp_path / f".last.ckpt.{here}.{os.getpid()}.tmp"
    old, young = tmp_path / ".last.ckpt.else.where.7.tmp", tmp_path / ".status.json.elsewhere.7.tmp"
    for file in (dead, alive, old, young):
        file.touch()
    os.utime(old, (0, 0))
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == {alive, young}


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
@pytest.mark.parametrize("mode", ["r+b", "ab", "wb"])
def test_a_planted_link_is_not_written_through(tmp_path, kind, mode):
    victim, link = tmp_path / "victim", tmp_path / "pixels.part"
    victim.write_text("precious")
    link.symlink_to(victim) if kind == "symbolic" else link.hardlink_to(victim)
    with pytest.raises(InputError, match=r"pixels\.part is a link, which another user may have placed there"):
        open_without_links(link, mode)
    assert victim.read_text() == "precious"


def test_a_temporary_name_is_never_the_same(tmp_path):
    assert create_temporary(tmp_path / "a.csv") != create_temporary(tmp_path / "a.csv")
    remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # of this process, which lives


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_that_other_readers_refuse_is_never_written(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"top1": [value]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "result.json", {"top1": value})
    assert not list(tmp_path.iterdir())


def test_all_json_is_written_by_one_function(request):
    source = request.config.rootpath / "src"
    writers = [
        path.name
        for path in source.rglob("*.py")
        if "json.dumps(" in path.read_text() or "json.dump(" in path.read_text()
    ]
    assert writers == ["io.py"]
