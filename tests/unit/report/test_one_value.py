"""A real study from training to report: whatever is shown more than once is the same everywhere."""

import html
import json
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from artculture import cli
from artculture.training.run_directory import RunDirectory
from tests.conftest import STUB, make_pictures

# Each copy on its own is tested with pages, tables and figures; here all come of one training.
pytestmark = pytest.mark.slow
CULTURES = ("blue", "green", "red")
NAMES = [f"p_{culture}" for culture in CULTURES]


@dataclass(frozen=True)
class Study:
    folder: object
    runs: list[RunDirectory]
    page: str
    markdown: str

    @property
    def best(self):
        return min(self.runs, key=lambda run: (-result(run)["val_top1"], result(run)["val_loss"]))

    @property
    def findings(self):
        index = json.loads((self.best.path / "analysis" / "analysis.json").read_text())
        return {one["name"]: one for one in index["findings"]}

    def table(self, name):
        return pd.read_csv(self.best.path / "analysis" / f"{name}.csv", dtype={"object_id": str})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Fine-tuned with two seeds, and frozen with cached features, trained in bfloat16 and calibrated."""
    folder = tmp_path_factory.mktemp("study")
    pictures = make_pictures(folder / "pictures")
    for index in range(0, 14, 3):  # wrong labels: mistakes, and probabilities that calibration changes
        one, other, third = (pictures / culture / f"{index}.png" for culture in CULTURES)
        one.rename(third.with_name("kept.png"))
        other.rename(one)
        third.rename(other)
        third.with_name("kept.png").rename(third)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTCULTURE_CACHE", str(folder / "cache"))
        patch.setattr("artculture.evaluation.calibration.MIN_VALIDATION_IMAGES", 8)
        usual = [*STUB, "logger=csv", "data=folder", f"data.root={pictures}", "data.image_size=32"]
        usual += ["data.batch_size=8", "trainer.max_epochs=2", "trainer.precision=bf16-mixed", "scheduler=step"]
        usual += ["data.fractions=[0.4,0.3,0.3]", "method.head_lr=0.1", "loss.label_smoothing=0"]
        names = ["study.name=s", f"study.root={folder}"]
        for method, seed in (("finetuned", 0), ("finetuned", 1), ("transfer", 0)):
            assert cli.main(["train", *usual, *names, f"method={method}", f"seed={seed}"]) == 0
        assert cli.main(["analyze", *names, "sheets=2"]) == 0
        assert cli.main(["report", *names, "mistakes=99"]) == 0
    s = folder / "s"
    runs = [RunDirectory(path.parent) for path in sorted(s.glob("*/config.yaml"))]
    return Study(s, runs, (s / "report.html").read_text(), (s / "report.md").read_text())


def result(run):
    return json.loads(run.result.read_text())


def predictions(run):
    return pd.read_csv(run.predictions, dtype={"object_id": str}).set_index("object_id")


def agrees(shown, value):
    """Whether text shows a value in percent, at as many decimals as the text has."""
    decimals = len(shown.partition(".")[2])
    return shown == f"{value:.{decimals}f}"


def text_of(page, start, end):
    """A part of the page as plain text, its tags as spaces."""
    part = page[page.index(start) :]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part[: part.index(end)])).split())


def test_a_runs_numbers_are_those_of_its_predictions(study):
    for run in study.runs:
        stored, own = predictions(run), result(run)
        for split in ("val", "test"):
            part = stored[stored["split"] == split]
            guessed = part[NAMES].to_numpy().argmax(axis=1)
            assert (np.array(CULTURES)[guessed] == part["culture"]).mean() == pytest.approx(own[f"{split}_top1"])
    assert result(study.best)["temperature"] != 1.0


def test_every_copy_of_a_rows_accuracy_shows_the_same(study):
    rows = pd.read_csv(study.folder / "results.csv").set_index("method")
    page_rows = {
        method: text_of(study.page[study.page.index('id="table-2"') :], f"<span>{word}", "</tr>")
        for method, word in (("finetuned", "Fine-tuned"), ("transfer", "Transfer"))
    }
    for method, row in rows.iterrows():
        runs = [result(run) for run in study.runs if f"-{method}-" in run.path.name]
        exact = {name: 100 * np.mean([run[key] for run in runs]) for name, key in
                 {"validation": "val_top1", "top1": "test_top1", "top3": "test_top3"}.items()}  # fmt: skip
        label = page_rows[method].partition(" ")[0]
        lines = [line for text in (study.markdown, (study.folder / "results.md").read_text())
                 for line in text.splitlines() if line.startswith("| test") and f"| {label}" in line]  # fmt: skip
        assert len(lines) == 2
        for name, value in exact.items():
            assert row[name] == pytest.approx(value, abs=0.0051)
            interval = [f"{row[name + end]:.2f}" for end in ("_low", "_high")]
            for line in lines:
                cell = line.split("|")[4 + list(exact).index(name)]
                shown, low, high = re.findall(r"\d+\.\d+", cell)
                assert agrees(shown, value)
                assert (float(low), float(high)) == pytest.approx([float(end) for end in interval], abs=0.051)
            # results.csv is rounded to hundredths, the page from the exact number to tenths
            found = re.search(rf"\b{value:.2f} (\d+\.\d)–(\d+\.\d)", page_rows[method])
            assert [float(end) for end in found.groups()] == pytest.approx([float(end) for end in interval], abs=0.051)
    dots = re.findall(r'<span class="value">([\d.]+)<span class="sr"> percent', study.page)
    assert sorted(dots) == sorted(f"{value:.1f}" for value in rows["top1"])


def test_the_answer_is_the_row_with_the_best_validation(study):
    rows = pd.read_csv(study.folder / "results.csv")
    best = rows.loc[rows["validation"].idxmax()]
    answer = text_of(study.page, '<p class="answer">', "</p>")
    tile = text_of(study.page, "<dt>Top-1 accuracy, test</dt>", "</div>")
    shown = [re.search(r"for ([\d.]+) %", answer)[1], re.search(r"test ([\d.]+) %", tile)[1]]
    shown.append(re.search(r"\*\*([\d.]+) %\*\*", study.markdown)[1])
    assert all(agrees(text, best["top1"]) for text in shown)
    assert agrees(re.search(r"most probable for ([\d.]+) %", answer)[1], best["top3"])


def test_the_analysis_shows_the_runs_own_numbers(study):
    own, findings = result(study.best), study.findings
    reliability = findings["reliability"]["numbers"]
    assert reliability["temperature"] == own["temperature"]
    assert reliability["accuracy"] == pytest.approx(own["test_top1"])
    assert reliability["before"]["ece"] == pytest.approx(own["test_ece"], abs=1e-6)
    assert reliability["after"]["ece"] == pytest.approx(own["test_ece_calibrated"], abs=1e-6)
    assert reliability["before"]["log_loss"] == pytest.approx(own["test_loss"], abs=1e-6)
    confusion = findings["confusion_matrix"]
    assert confusion["numbers"]["right"] / confusion["numbers"]["paintings"] == pytest.approx(own["test_top1"])
    matrix = study.table("confusion_matrix")
    assert matrix[list(CULTURES)].to_numpy().tolist() == own["confusion"]
    for caption in (confusion["caption"], findings["reliability"]["caption"]):
        assert f"{100 * own['test_top1']:.1f} %" in caption
        assert html.escape(caption) in study.page.replace("&#39;", "&#x27;").replace("\xa0", " ")
    recalls = study.table("recall_by_paintings").set_index("culture")["recall"].to_dict()
    assert recalls == pytest.approx({name: part["recall"] for name, part in own["per_culture"].items()})
    counts = re.findall(r'<th scope="row">(\w+)</th>.*?<span>([\d.]+)</span>', study.page)
    assert len(counts) == 3
    assert all(agrees(shown, 100 * recalls[culture]) for culture, shown in counts)


def test_a_painting_has_one_probability(study):
    stored = predictions(study.best)[NAMES]
    maps = study.table("painting_map").set_index("object_id")
    sheets = [study.table(name) for name in study.findings if name.startswith("feature_maps")]
    for table in [maps.loc[stored.index].reset_index(), *sheets]:
        for row in table.itertuples():
            assert row.probability == pytest.approx(stored.loc[row.object_id, f"p_{row.predicted}"], abs=1e-6)
            assert row.predicted == stored.loc[row.object_id].idxmax().removeprefix("p_")
    script = (study.best.path / "analysis" / "painting_map.html").read_text()
    data = json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', script, re.DOTALL)[1])
    hovered = dict(zip(maps.index, data["percent"], strict=True))
    assert all(agrees(str(hovered[ident]), 100 * row.max()) for ident, row in stored.iterrows())


def test_the_mistakes_show_the_same_probabilities(study):
    stored = predictions(study.best)
    test = stored[stored["split"] == "test"]
    cards = re.findall(r'<p class="by">(.*?)</p>.*?<ul class="guesses">(.*?)</ul>', study.page, re.DOTALL)
    assert len(cards) == (test[NAMES].idxmax(axis=1) != "p_" + test["culture"]).sum() > 0
    for ident, guesses in cards:
        for culture, shown in re.findall(r"<span>(\w+)</span>.*?<span class=\"n\">([\d.]+)&nbsp;%", guesses):
            assert agrees(shown, 100 * test.loc[ident.strip(), f"p_{culture}"])
    lines = re.findall(r"\| (\S+) \| (\w+) \(([\d.]+) %\) \| (\w+) \(([\d.]+) %\) \|", study.markdown)
    assert len(lines) == len(cards)
    for ident, *pairs in lines:
        for culture, shown in (pairs[:2], pairs[2:]):
            assert agrees(shown, 100 * test.loc[ident.replace("\\", ""), f"p_{culture}"])


def test_predict_says_the_same_of_a_painting(study, capsys):
    stored = predictions(study.best)
    pictures = study.folder.parent / "pictures"
    capsys.readouterr()
    assert cli.main(["predict", f"checkpoint={study.best.path}", f"images={pictures}", "format=jsonl"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_image = {one["image"]: {p["class"]: p["probability"] for p in one["predictions"]} for one in said}
    for ident, row in stored.iterrows():
        probabilities = by_image[str(pictures / f"{ident}.png")]
        assert [probabilities[culture] for culture in CULTURES] == pytest.approx(list(row[NAMES]), abs=1e-5)


def test_the_nearest_painting_is_the_same_on_the_map_and_in_the_table(study):
    maps, table = study.table("painting_map"), study.table("neighbours")
    script = (study.best.path / "analysis" / "painting_map.html").read_text()
    data = json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', script, re.DOTALL)[1])
    trained = set(maps.index[maps["split"] == "train"])
    first = table[table["rank"] == 1].set_index("object_id")["neighbour_object_id"]
    compared = 0
    for position, ident in enumerate(maps["object_id"]):
        near = [place for place in data["neighbours"][position] if place in trained]
        if ident in first and near:
            assert maps["object_id"][near[0]] == first[ident]
            compared += 1
    assert compared >= 5
