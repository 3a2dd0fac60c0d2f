"""Loggers by name: arguments and libraries are checked before anything trains."""

import pytest

from artculture.config.schema import loggers

MISTAKES = {
    ("wandb", "logger.project=mine"): "logger.project is no logger: did you mean `logger.wandb.project`?",
    ("wandb", "logger.wandb.projct=mine"): "no key `logger.wandb.projct`: did you mean `logger.wandb.project`?",
    ("csv", "logger.mine.project=mine"): "logger.mine needs a _target_, or null to switch it off",
    ("mlflow", "logger.mlflow.run_nam=a"): "has no argument `run_nam`: did you mean `run_name`?",
    ("csv", "logger.mine._target_=no.such.Logger"): "`no.such.Logger` can't be imported",
}


@pytest.mark.parametrize(("typed", "said"), MISTAKES.items(), ids=lambda case: str(case)[-40:])
def test_a_mistake_is_one_message(train, capsys, tmp_path, typed, said):
    pytest.importorskip("mlflow")
    pytest.importorskip("tensorboard")
    logger, override = typed
    assert train(override, logger=logger) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_a_missing_library_is_named_with_its_install_command(train, capsys, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    assert train(logger="[wandb,tensorboard,mlflow]") == 2
    said = capsys.readouterr().err
    assert "logger.tensorboard needs a library that is not installed: pip install 'artculture[tensorboard]'" in said
    assert "logger.mlflow needs a library that is not installed: pip install 'artculture[mlflow]'" in said


def test_a_logger_that_is_switched_off_is_not_checked(train, capsys, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    assert train("logger.tensorboard=null", "plan=true", logger="tensorboard") == 0


def test_a_name_is_no_path():
    found = loggers.Loggers.model_validate({"../a": {"_target_": "lightning.pytorch.loggers.CSVLogger"}}).mistakes()
    assert [key for key, _ in found] == ["logger.../a"]
