import json

import pandas as pd
import pytest

from artculture import cli


@pytest.fixture
def analysed(train, only_run, tmp_path, monkeypatch):
    """A tiny run, analysed through the command: its folder of findings."""

    def analyse(*overrides, logger="csv"):
        assert train("trainer.max_epochs=1", logger=logger) == 0
        assert cli.main(["analyze", f"study.name={only_run().parent.name}", "sheets=1", *overrides]) == 0
        return only_run() / "analysis"

    return analyse


def test_every_finding_is_written_with_its_data(analysed):
    folder = analysed()
    index = json.loads((folder / "analysis.json").read_text())
    names = [finding["name"] for finding in index["findings"]]
    assert names[0] == "feature_maps"
    assert {"culture_distances", "culture_graph", "confusion_matrix", "painting_map", "neighbours"} <= set(names)
    for finding in index["findings"]:
        for file in [*finding["tables"], *(finding[kind] for kind in ("png", "svg", "page") if kind in finding)]:
            assert (folder / file).stat().st_size > 0
    assert index["about"]["paintings"] == len(pd.read_parquet(folder / "features.parquet"))


def test_a_tracked_runs_page_gets_the_figures(analysed, only_run):
    pytest.importorskip("wandb")
    analysed(logger="wandb_offline")
    media = list((only_run() / "wandb").rglob("media/images/analysis/*.png"))
    assert any("culture_graph" in file.name for file in media)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], "checkpoint or study.name"),
        (["checkpoint=a.ckpt", "study.name=b"], "only one"),
        (["study.name=none_such"], "no finished run"),
        (["checkpoint=none.ckpt"], "no checkpoint at none.ckpt"),
        (["study.name=x", "shets=1"], "sheets"),
    ],
)
def test_mistakes_give_one_message(overrides, says, capsys):
    assert cli.main(["analyze", *overrides]) == 2
    assert says in capsys.readouterr().err
