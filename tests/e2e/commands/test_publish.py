import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

import artculture
from artculture import cli
from tests.unit.serving.hub_server import serving_hub

FILES = ["README.md", "config.json", "example.py", "model.safetensors"]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with serving_hub() as (server, base):
        template = base + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", base)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
        yield server


def same_classifier(checkpoint: str | Path, other: Path) -> bool:
    first, second = artculture.load_classifier(checkpoint), artculture.load_classifier(other)
    pictures = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    return first.temperature == second.temperature and torch.equal(first(pictures), second(pictures))


def test_a_published_folder_is_a_checkpoint_with_a_card(run, tmp_path, capsys):
    typed = ["publish", f"checkpoint={run.path}", "repo=me/paintings", "license=cc0-1.0", "dry_run=true"]
    assert cli.main(typed) == 0
    folder = run.path / "published"
    assert capsys.readouterr().out == f"{folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert same_classifier(folder, run.best)
    assert json.loads((folder / "config.json").read_text())["artculture"]["classes"] == ["blue", "green", "red"]
    compile((folder / "example.py").read_text(), "example.py", "exec")

    card = ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.library_name) == ("cc0-1.0", "artculture")
    result = json.loads(run.result.read_text())
    (accuracy,) = [entry for entry in card.data.eval_results if entry.metric_type == "accuracy"]
    assert accuracy.metric_value == pytest.approx(result["test_top1"], abs=1e-4)
    for name, count in result["class_counts"].items():
        assert f"| {name} | {count} |" in card.text
    assert "## Citation" in card.text
    for path in (tmp_path, Path.home()):
        assert all(str(path).encode() not in (folder / name).read_bytes() for name in FILES)


# huggingface_hub and its HTTP client warn of each other.
@pytest.mark.filterwarnings("default")
def test_publish_uploads_and_the_address_loads(run, hub, tmp_path, capsys):
    assert cli.main(["publish", f"checkpoint={run.best}", "repo=me/paintings", "tag=v1", "private=false"]) == 0
    assert capsys.readouterr().out.endswith("/me/paintings\n")
    assert "private" not in hub.created.values()
    assert sorted(hub.commits[0]) == FILES
    assert same_classifier("hf:me/paintings@v1", run.best)
    assert cli.main(["publish", f"checkpoint={run.best}", "repo=me/paintings"]) == 0
    assert "private" in hub.created.values()
    assert len(hub.commits) == 2
    assert cli.main(["predict", "checkpoint=hf:me/paintings@v2", f"images={tmp_path}/pictures"]) == 2
    assert "checkpoint=hf:me/paintings@v2: model.safetensors can't be downloaded" in capsys.readouterr().err


def test_the_card_of_a_run_whose_data_are_gone(run, tmp_path):
    (tmp_path / "pictures").rename(tmp_path / "moved")
    assert cli.main(["card", f"checkpoint={run.path}", "output=card.md"]) == 0
    text = Path("card.md").read_text()
    assert "Licence of the training paintings: the data are no longer where they were." in text
    assert ModelCard(text).data.license == "unknown"


MISTAKES = {
    "publish checkpoint=a repo=paintings": "repo=paintings: give name/model, as in repo=my-name/paintings",
    "card checkpoint=a repo=a/b@c": "repo=a/b@c: give name/model",
    "card checkpoint=a.ckpt": "a.ckpt belongs to no finished run",
    "publish checkpoint=a repo=a/b licence=x": "did you mean `license`?",
}


@pytest.mark.parametrize(("typed", "says"), MISTAKES.items())
def test_mistakes_end_in_one_clear_message(typed, says, capsys):
    assert cli.main(typed.split()) == 2
    assert says in capsys.readouterr().err
