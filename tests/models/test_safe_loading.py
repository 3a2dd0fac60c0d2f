import os
import pickle
import shutil
import zipfile

import pytest
import torch

from artculture import cli
from artculture.errors import InputError
from artculture.models.safe_loading import UnsafeError, load_safely


class Attack:
    """Unpickled it makes a file."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


def plain_pickle(path, attack):
    path.write_bytes(pickle.dumps({"state_dict": attack}, protocol=2))


def archive(path, attack):
    torch.save({"state_dict": attack, "artculture": {"format": 1}}, path)


def old_archive(path, attack):
    torch.save({"state_dict": attack}, path, _use_new_zipfile_serialization=False)


def into_a_real_one(path, attack):
    """All of a real checkpoint, and the attack beside it, with checksums that are right."""
    content = torch.load(path, weights_only=True) if path.is_file() and zipfile.is_zipfile(path) else {}
    torch.save({**content, "more": attack}, path)


ATTACKS = [plain_pickle, archive, old_archive, into_a_real_one]


@pytest.fixture
def proof(tmp_path):
    return tmp_path / "ran"


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_is_never_run_and_told_apart_from_damage(tmp_path, proof, attack):
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
    with pytest.raises(InputError) as caught:
        load_safely(tmp_path / "a.ckpt", "is no good")
    assert not isinstance(caught.value, UnsafeError)


BEST = [("evaluate", into_a_real_one), ("evaluate", plain_pickle), ("predict", archive), ("analyze", old_archive)]


@pytest.mark.parametrize(("command", "attack"), BEST)
def test_commands_refuse_a_best_checkpoint_with_code(run, pictures, proof, capsys, command, attack):
    attack(run.best, Attack(proof))
    more = [f"images={pictures}"] if command == "predict" else []
    assert cli.main([command, f"checkpoint={run.best}", *more]) == 2
    assert "asks for code to be run" in capsys.readouterr().err
    assert not proof.exists()


PLACES = [("last", into_a_real_one), ("last", plain_pickle), ("previous", plain_pickle)]
PLACES += [("elsewhere", archive), ("weights", plain_pickle)]


@pytest.mark.parametrize(("place", "attack"), PLACES)
def test_training_refuses_any_file_with_code(run, train, tmp_path, proof, capsys, place, attack):
    run.set_status("interrupted")
    typed = ["data.fractions=[0.4,0.3,0.3]", "trainer.max_epochs=1", "trainer.precision=32", "method.head_lr=0.05"]
    shutil.copy(run.last, tmp_path / "foreign.ckpt")
    target = {"last": run.last, "previous": run.previous}.get(place, tmp_path / "foreign.ckpt")
    if place != "last":
        run.last.unlink()
    attack(target, Attack(proof))
    foreign = {"elsewhere": f"resume={target}", "weights": f"architecture.weights={target}"}
    extra = [foreign[place], "study.name=new"] if place in foreign else ["study.name=kept"]
    assert train(*typed, *extra) == 2
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
