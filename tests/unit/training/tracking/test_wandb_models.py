import shutil
from types import SimpleNamespace

import pytest
import wandb

from artculture.analysis.loading import load_model_under_study
from artculture.training.checkpoint_source import checkpoint_file
from artculture.training.tracking.wandb_models import artifact_name, link_model
from artculture.utils.errors import InputError


class Artifact:
    """An artifact as W&B's API gives it, of a run's model."""

    digest = "0123"

    def __init__(self, run):
        self.run, self.linked = run, []

    def download(self, root):
        shutil.copytree(self.run.path / "checkpoints", f"{root}/checkpoints")
        for name in ("config.yaml", "split.csv"):
            shutil.copy(self.run.path / name, f"{root}/{name}")
        return root

    def link(self, target):
        self.linked.append(target)


@pytest.fixture
def api(run, monkeypatch):
    """W&B's API with the model of a finished run."""
    known = {"e/p/model-kept-a:best": Artifact(run)}

    def artifact(name):
        if name not in known:
            raise wandb.errors.CommError(f"artifact '{name}' not found")
        return known[name]

    monkeypatch.setattr(wandb, "Api", lambda: SimpleNamespace(artifact=artifact))
    return known


def test_a_model_of_w_and_b_is_a_run_with_its_own_paintings(api, run):
    file = checkpoint_file("wandb:e/p/model-kept-a:best")
    assert file.read_bytes() == run.best.read_bytes()
    assert file.parent.parent.parent.name == "wandb", "in the cache"
    model = load_model_under_study(file)
    assert model.run.path == file.parent.parent
    assert (model.paintings.selection.split == "test").sum() > 0


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("model-kept-a", "give wandb:entity/project/name:alias"),
        ("e/p/q/model:best", "give wandb:entity/project/name:alias"),
        ("e/p/other:best", "not found.*wandb login"),
    ],
)
def test_a_wrong_address_is_one_message(api, address, says):
    with pytest.raises(InputError, match=says):
        checkpoint_file(f"wandb:{address}")


def test_a_model_is_linked_to_a_registry(api, run, monkeypatch):
    monkeypatch.setattr("artculture.training.tracking.wandb_models.model_name", lambda _: "model-kept-a")
    assert link_model("e", "p", run, "wandb-registry-model/paintings") == "e/p/model-kept-a:best"
    assert api["e/p/model-kept-a:best"].linked == ["wandb-registry-model/paintings"]
    with pytest.raises(InputError, match=r"logger\.wandb\.log_model=best"):
        link_model("other", "p", run, "wandb-registry-model/paintings")


def test_names_of_artifacts_have_the_signs_that_w_and_b_takes():
    assert artifact_name("model", "s", "a=1+é (b)") == "model-s-a_1_b_"
    long = [artifact_name("model", "x" * 200, f"seed={seed}") for seed in (1, 2)]
    assert [len(name) for name in long] == [128, 128]
    assert long[0] != long[1]
