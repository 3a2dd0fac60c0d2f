import pytest

from artculture.serving.loading import load_model
from artculture.serving.web.loading import _facts
from artculture.training.run_directory import RunDirectory


@pytest.mark.parametrize(("checkpoint", "known"), [("best", True), ("last", False)])
def test_only_the_best_checkpoint_has_the_run_s_test_accuracy(run, checkpoint, known):
    directory = RunDirectory(run.path)
    model = load_model(directory.best, "cpu")
    assert ("test_top1" in _facts(model, directory, getattr(directory, checkpoint))) is known
