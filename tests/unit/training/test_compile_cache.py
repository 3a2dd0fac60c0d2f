import os
from pathlib import Path

import pytest

from artculture.training import compile_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(compile_cache.VARIABLE, "")  # restored after the test
    monkeypatch.delenv(compile_cache.VARIABLE)
    (tmp_path / "compiled" / "ab").mkdir(parents=True)
    (tmp_path / "compiled" / "ab" / "code.so").touch()
    return tmp_path


def too_short(file):
    return RuntimeError(f"backend='inductor' raised:\nImportError: {file}: file too short\n\nSet TORCHDYNAMO_VERBOSE=1")


def test_a_damaged_file_of_our_own_cache_drops_it(cache, caplog):
    compile_cache.use_own_cache(str(cache))
    assert os.environ[compile_cache.VARIABLE] == str(cache / "compiled")
    assert compile_cache.drop_if_damaged(too_short(cache / "compiled/ab/code.so"), str(cache))
    assert list(cache.iterdir()) == []
    assert "compiled again" in caplog.text


@pytest.mark.parametrize("error", [too_short(Path("/elsewhere/code.so")), RuntimeError("out of memory")])
def test_other_errors_and_folders_of_the_user_are_left_alone(cache, monkeypatch, error):
    compile_cache.use_own_cache(str(cache))
    assert not compile_cache.drop_if_damaged(error, str(cache))
    monkeypatch.setenv(compile_cache.VARIABLE, "/chosen")
    compile_cache.use_own_cache(str(cache))
    assert os.environ[compile_cache.VARIABLE] == "/chosen"
    assert not compile_cache.drop_if_damaged(too_short(cache / "compiled/ab/code.so"), str(cache))
    assert (cache / "compiled/ab/code.so").exists()


def test_a_run_with_a_damaged_cache_is_trained_again(train, monkeypatch, cache):
    from artculture.training import run

    launches = []

    def fails_once(job, directory, *_):
        launches.append(directory.path)
        if len(launches) == 1:
            raise too_short(compile_cache.own_folder(job.config.data.cache) / "code.so")
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train_run", fails_once)
    (Path(os.environ["ARTCULTURE_CACHE"]) / "compiled").mkdir(parents=True)
    assert train("trainer.compile=true") == 130
    assert len(launches) == 2
