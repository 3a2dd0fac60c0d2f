"""The code of docs/python.md, in order, with a small backbone, one epoch and no download."""

import re
import shutil
import warnings
from pathlib import Path

import lightning as L
import pytest
import torch

import artculture
from artculture.models.classifier import CultureClassifier

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
SMALL = {
    '("resnet50", "torchvision")': '("test_resnet", "timm")',
    "preprocessing_of(*backbone)": "preprocessing_of(*backbone).at_size(32)",
    "classes=data.classes": "classes=data.classes, image_size=32",
    'start_from("imagenet")': 'start_from("none")',
    "Trainer(max_epochs=5)": "Trainer(max_epochs=1, logger=False, enable_progress_bar=False, accelerator='cpu')",
}


@pytest.fixture
def blocks() -> list[str]:
    """The page's blocks of Python, made small."""
    found = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for text, small in SMALL.items():
        assert sum(block.count(text) for block in found) == 1, text
        found = [block.replace(text, small) for block in found]
    return found


def test_the_modules_train_anywhere_and_load_again(blocks, pictures, capsys):
    pictures.rename("my-paintings")
    shutil.copy("my-paintings/red/0.png", "unknown.png")
    names: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of so few pictures
        for block in blocks:
            exec(compile(block, "docs/python.md", "exec"), names)
        model, data = names["model"], names["data"]
        # Training on after an evaluation, and from the checkpoint's module, works too.
        again = CultureClassifier.load_from_checkpoint("mine.ckpt", weights_only=True)
        assert again.temperature == model.temperature
        for module in (model, again):
            quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
            L.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(module, datamodule=data)
        shown = capsys.readouterr().out
    assert [stage for stage in ("val", "test") if f"{stage}/macro_f1" not in shown] == []
    assert [name for name in model.classes if not re.search(rf"^ +{name} +[\d.]+%$", shown, re.MULTILINE)] == []
    probabilities = names["probabilities"]
    assert probabilities.sum() == pytest.approx(1)
    loaded = artculture.load_classifier("mine.ckpt")
    logits = loaded(names["picture"][None])
    assert torch.allclose(probabilities, torch.softmax(logits / names["model"].temperature, dim=1)[0])


def test_twenty_lines_are_enough(blocks):
    assert len([line for line in blocks[0].splitlines() if line and not line.startswith(("import", "from"))]) <= 20
