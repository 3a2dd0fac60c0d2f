import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artculture.analysis.figure import Finding, write_findings
from artculture.analysis.plotting_style import new_figure
from artculture.training.run_directory import RunDirectory
from artculture.utils.io import write_json

CULTURES = ("Dutch", "French", "Japanese")
ATTACK = '<script>alert("1")</script>'
ROWS = [
    ("resnet50", "plateau", "finetuned", 0.75),
    ("alexnet", "step", "finetuned", 0.6),
    ("resnet50", "step", "scratch", 0.4),
]


def result(name, architecture, scheduler, method, seed, val, **changes):
    usual = {
        "run": name, "study": "s", "architecture": architecture, "scheduler": scheduler, "method": method,
        "variant": "pictures", "seed": seed, "data": "pictures", "weights": "ImageNet (V1)", "imagenet": True,
        "synthetic": False, "val_top1": val, "val_loss": 1.0, "test_top1": val + 0.0123, "test_top3": 0.9,
        "test_macro_f1": 0.5,
        "intervals": {
            "val_top1": [val - 0.1, val + 0.1], "test_top1": [val - 0.0877, val + 0.1],
            "test_top3": [0.87, 0.93], "test_macro_f1": [0.44, 0.56],
        },
        "chance": 1 / 3, "majority": 0.4, "counts": {"train": 9, "val": 3, "test": 6}, "epochs": 3,
        "seconds": 100.0, "images_per_second": 40.0, "parameters": 25_000_000, "trainable_parameters": 1_000_000,
        "precision": "32-true", "device": "cpu", "image_size": 32, "classes": list(CULTURES),
        "per_culture": {c: {"recall": r, "test_paintings": 2} for c, r in zip(CULTURES, (0.5, 1.0, None), strict=True)},
        "versions": {"python": "3.12.1", "torch": "2.11.0"}, "git_commit": "abc123", "manifest": "f" * 64,
    }  # fmt: skip
    return {**usual, **changes}


@pytest.fixture
def study(tmp_path):
    return tmp_path / "outputs" / "s"


@pytest.fixture
def manifest(tmp_path):
    return make_manifest(tmp_path / "pictures")


def make_manifest(root):
    """18 pictures in three cultures, their titles attacks; in the order of training, validation, test."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for place, split in enumerate(["train"] * 9 + ["val"] * 3 + ["test"] * 6):
        Image.fromarray(rng.integers(0, 255, (60, 50 + place, 3), dtype=np.uint8)).save(root / f"images/{place}.png")
        rows.append(
            {
                "object_id": f"id-{place}", "source": "met", "image": f"images/{place}.png",
                "culture": CULTURES[place % 3], "title": f"Picture | {place} {ATTACK}", "artist": f"A. & B. {place}",
                "date": "1890", "object_url": f"https://museum.example/{place}", "split": split,
            }
        )  # fmt: skip
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    return root


@pytest.fixture
def add(study, manifest):
    """Add a run to the study."""
    return adder(study, manifest)


def adder(study, manifest):
    def run(architecture, scheduler, method, val=0.5, seed=0, state="finished", error=None, **changes):
        name = f"{architecture}-{method}-{scheduler}-pictures" + (f"-seed={seed}" if seed else "")
        directory = RunDirectory(study / name)
        directory.make()
        directory.write_config(
            {
                "architecture": {"name": architecture, "head": {"hidden": [512, 128]}},
                "scheduler": {"name": scheduler},
                "method": {"name": method},
                "data": {"name": "folder", "root": str(manifest)},
                "study": {"name": "s", "title": None, "root": "outputs"},
                "seed": seed,
            }
        )
        epochs = {"epoch": 2, "max_epochs": 3} | ({"error": error} if error else {})
        typed = [f"architecture={architecture}", f"seed={seed}"]
        directory.set_status(state, finished=1_700_000_000.0, arguments=typed, **epochs)
        directory.log.write_text("epoch 1/3\n")
        _write_training(directory, manifest)
        if state == "finished":
            write_json(directory.result, result(name, architecture, scheduler, method, seed, val, **changes))
        return directory

    return run


def _write_training(directory, manifest):
    curve = {"epoch": [0, 1, 2], "train/loss": [1.1, 0.9, 0.7], "train/top1": [0.3, 0.5, 0.8]}
    pd.DataFrame({**curve, "val/loss": [1.1, 1, 0.9], "val/top1": [0.3, 0.4, 0.6]}).to_csv(directory.metrics)
    table = pd.read_csv(manifest / "manifest.csv")
    table[["object_id", "source", "culture", "split"]].to_csv(directory.split, index=False)
    test = table[table["split"] == "test"]
    # The six test paintings: Dutch, French, Japanese twice; wrong in the places 0 (.6), 2 (.9) and 5 (.5).
    chances = [(0.3, 0.6, 0.1), (0.1, 0.8, 0.1), (0.9, 0.06, 0.04), (0.7, 0.2, 0.1), (0.2, 0.5, 0.3), (0.5, 0.2, 0.3)]
    guessed = pd.DataFrame(chances, columns=[f"p_{culture}" for culture in CULTURES], index=test.index)
    predicted = pd.concat([test[["source", "object_id", "split", "culture"]], guessed], axis=1)
    val = predicted[:3].assign(object_id=["id-9", "id-10", "id-11"], split="val")
    pd.concat([val, predicted]).to_csv(directory.predictions, index=False)


PAGE = """<!doctype html><html lang="en"><title>m</title><p id="said">no</p>
<script>document.getElementById("said").textContent = "yes & \\"yes\\""</script></html>"""


def analyse(directory):
    """Give a run an analysis of a few findings."""
    figure = new_figure(4, 3)
    figure.subplots().plot([1, 2], [2, 1])
    numbers = {"spearman_rho": 0.4123, "p_value": 1e-5, "interval": [0.1, 0.5], "pairs": 55}
    table = pd.DataFrame({"a": [1]})
    findings = [
        Finding("distances", "Distances", f"Near is dark {ATTACK}.", figure, {"distances": table}, numbers),
        Finding("feature_maps_dutch", "Dutch", "Where it looks.", figure, alt="Six Dutch paintings"),
        Finding("painting_map", "Map", "All paintings.", figure, page=PAGE),
        Finding("feature_maps_french", "French", "Where it looks, too.", figure),
    ]
    write_findings(directory.path / "analysis", findings, {"checkpoint": "best.ckpt"})


@pytest.fixture(scope="session")
def whole_study(tmp_path_factory):
    """Three rows, the first with two seeds and an analysis, and a failed one; read by many tests, changed by none."""
    folder = tmp_path_factory.mktemp("whole")
    study = folder / "outputs" / "s"
    add = adder(study, make_manifest(folder / "pictures"))
    best = add(*ROWS[0])
    add(*ROWS[0][:3], 0.7, seed=1)
    for row in ROWS[1:]:
        add(*row)
    add("vgg16_bn", "step", "finetuned", state="failed", error=f"out of memory {ATTACK}")
    analyse(best)
    return study
