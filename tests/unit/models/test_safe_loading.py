import os
import pickle
import shutil
import tarfile
import warnings
import zipfile

import pytest
import torch

from artculture import cli
from artculture.models.safe_loading import DamagedError, UnsafeError, load_safely
from artculture.utils.errors import InputError
from tests.conftest import AS_KEPT


class Attack:
    """Unpickled it makes a file."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


def plain_pickle(path, attack, protocol=2):
    path.write_bytes(pickle.dumps({"state_dict": attack}, protocol=protocol))


def of_protocol(protocol):
    return lambda path, attack: plain_pickle(path, attack, protocol)


def archive(path, attack):
    torch.save({"state_dict": attack, "artculture": {"format": 1}}, path)


def old_archive(path, attack):
    torch.save({"state_dict": attack}, path, _use_new_zipfile_serialization=False)


def archive_of_protocol_4(path, attack):
    torch.save({"state_dict": attack}, path, pickle_protocol=4)


def before_an_archive(path, attack):
    """A pickle in front of a whole archive, whose table of contents is at the end of the file."""
    torch.save({"a": torch.ones(2)}, path)
    path.write_bytes(pickle.dumps(attack, protocol=4) + path.read_bytes())


def into_a_real_one(path, attack):
    """All of a real checkpoint, and the attack next to it, with checksums that are right."""
    content = torch.load(path, weights_only=True) if path.is_file() and zipfile.is_zipfile(path) else {}
    torch.save({**content, "more": attack}, path)


ATTACKS = [archive, old_archive, into_a_real_one, archive_of_protocol_4, before_an_archive]
ATTACKS += [of_protocol(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]


@pytest.fixture
def proof(tmp_path):
    return tmp_path / "ran"


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_is_never_run_and_distinguished_from_damage(tmp_path, proof, attack):
    attack(tmp_path / "a.ckpt", Attack(proof))
    with pytest.raises(UnsafeError, match=r"a\.ckpt is no good: it asks for code to be run"):
        load_safely(tmp_path / "a.ckpt", "is no good")
    assert not proof.exists()


def test_the_attack_would_have_worked(tmp_path, proof):
    plain_pickle(tmp_path / "a.ckpt", Attack(proof))
    pickle.loads((tmp_path / "a.ckpt").read_bytes())
    assert proof.exists()


def test_a_flipped_bit_is_damage_not_an_attack(tmp_path):
    torch.save({"a": torch.arange(9), "b": {"c": [1, 2]}}, tmp_path / "a.ckpt")
    content = bytearray((tmp_path / "a.ckpt").read_bytes())
    content[content.index(b"torch._utils") + 3] ^= 1
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(DamagedError):
        load_safely(tmp_path / "a.ckpt", "is no good")


def lose_the_start(content):
    return bytes(8) + content[8:]


def change_the_start(content):
    return b"XK" + content[2:]


REMAINS = {"empty": lambda c: c[:0], "cut": lambda c: c[:-9], "zeros": lambda c: bytes(len(c))}
REMAINS |= {"two bytes": lambda c: c[:2], "start lost": lose_the_start, "start changed": change_the_start}


@pytest.mark.parametrize("damage", REMAINS)
def test_what_is_left_of_an_archive_is_damage(tmp_path, damage):
    torch.save({"a": torch.arange(9)}, tmp_path / "a.ckpt")
    (tmp_path / "a.ckpt").write_bytes(REMAINS[damage]((tmp_path / "a.ckpt").read_bytes()))
    with pytest.raises(DamagedError, match="is no good"):
        load_safely(tmp_path / "a.ckpt", "is no good")


def old_tar(path):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name))


def torch_script(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))


def compressed(path):
    """An archive of a few kB that unpacks to many times its size."""
    torch.save({"a": torch.zeros(500_000)}, path)
    with zipfile.ZipFile(path) as whole:
        contents = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


FOREIGN = {
    "a program of TorchScript": torch_script,
    "a compressed archive": compressed,
    "a tensor that repeats its value": lambda path: torch.save({"a": torch.zeros(1).expand(10**12)}, path),
    "a tensor without values": lambda path: torch.save({"a": torch.empty(10**12, device="meta")}, path),
    "text": lambda path: path.write_bytes(b"<html>Not Found</html>"),
    "plain values in a pickle": lambda path: path.write_bytes(pickle.dumps({"a": [1, "b"]}, protocol=4)),
    "torch's .tar": old_tar,
    "a zip of other things": lambda path: zipfile.ZipFile(path, "w").writestr("a.txt", "a"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_neither_damage_nor_advised_to_be_read_unsafely(tmp_path, kind):
    FOREIGN[kind](tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="is no good") as caught:
        load_safely(tmp_path / "a.ckpt", "is no good")
    assert not isinstance(caught.value, DamagedError)
    assert "weights_only" not in str(caught.value)


BEST = [("evaluate", into_a_real_one), ("evaluate", plain_pickle), ("predict", archive), ("analyze", old_archive)]


@pytest.mark.parametrize(("command", "attack"), BEST)
def test_commands_refuse_a_best_checkpoint_with_code(run, pictures, proof, capsys, command, attack):
    attack(run.best, Attack(proof))
    more = [f"images={pictures}"] if command == "predict" else []
    assert cli.main([command, f"checkpoint={run.best}", *more]) == 2
    assert "asks for code to be run" in capsys.readouterr().err
    assert not proof.exists()


PLACES = [("last", into_a_real_one), ("last", of_protocol(0)), ("previous", plain_pickle)]
PLACES += [("elsewhere", archive), ("weights", plain_pickle)]


@pytest.mark.parametrize(("place", "attack"), PLACES)
def test_training_refuses_any_file_with_code(run, train, tmp_path, proof, capsys, place, attack):
    run.set_status("interrupted")
    shutil.copy(run.last, tmp_path / "foreign.ckpt")
    target = {"last": run.last, "previous": run.previous}.get(place, tmp_path / "foreign.ckpt")
    if place != "last":
        run.last.unlink()
    attack(target, Attack(proof))
    foreign = {"elsewhere": f"resume={target}", "weights": f"architecture.weights={target}"}
    extra = [foreign[place], "study.name=new"] if place in foreign else []
    assert train(*(text for text in AS_KEPT if not extra or "study.name" not in text), *extra) == 2
    assert "asks for code to be run" in capsys.readouterr().err
    assert not proof.exists()
    assert target.is_file()


def test_a_foreign_config_is_data_and_never_run(run, proof, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuvwxyz")
    text = run.config.read_text()
    root = next(line for line in text.splitlines() if line.startswith("  root: ") and "pictures" in line)
    attack = f"  root: ${{oc.env:HF_TOKEN}}\n  _target_: os.system\n  command: touch {proof}"
    run.config.write_text(text.replace(root, attack))
    assert cli.main(["evaluate", f"checkpoint={run.best}"]) == 2
    said = capsys.readouterr().err
    assert str(run.config) in said
    assert "hf_abc" not in said
    assert not proof.exists()


def test_an_interpolation_in_a_foreign_config_stays_text(run, capsys, monkeypatch):
    monkeypatch.setenv("INNER", "/somewhere/else")
    text = run.config.read_text()
    root = next(line for line in text.splitlines() if line.startswith("  root: ") and "pictures" in line)
    run.config.write_text(text.replace(root, "  root: ${oc.env:INNER}"))
    assert cli.main(["evaluate", f"checkpoint={run.best}"]) == 2
    assert "${oc.env:INNER}: no such folder" in capsys.readouterr().err


def test_a_config_with_code_in_its_yaml_is_refused(run, proof, capsys):
    run.config.write_text(run.config.read_text() + f'\nattack: !!python/object/apply:os.system ["touch {proof}"]\n')
    assert cli.main(["evaluate", f"checkpoint={run.best}"]) == 2
    assert "is not readable YAML" in capsys.readouterr().err
    assert not proof.exists()


# Whatever reads a file with code in it somewhere must not be in our source again.
FORBIDDEN = {
    "pickle.load",
    "weights_only=False",
    "allow_pickle=True",
    "yaml.load(",
    "yaml.unsafe",
    "read_pickle",
    "joblib",
}


@pytest.mark.parametrize("word", sorted(FORBIDDEN))
def test_no_unsafe_reader_is_in_the_source(request, word):
    source = request.config.rootpath / "src"
    assert not [str(path) for path in source.rglob("*.py") if word in path.read_text()]
