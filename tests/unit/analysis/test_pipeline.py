import json
from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image

from artculture import cli
from artculture.analysis.loading import load_model_under_study
from artculture.analysis.pipeline import log_findings
from artculture.utils.io import write_json
from tests.fixtures.tracked import inspect


def test_every_finding_is_written_with_its_data(run):
    assert cli.main(["analyze", "study.name=kept", "sheets=1"]) == 0
    folder = run.path / "analysis"
    index = json.loads((folder / "analysis.json").read_text())
    names = [finding["name"] for finding in index["findings"]]
    assert names[0] == "feature_maps"
    assert {"culture_distances", "culture_graph", "confusion_matrix", "painting_map", "neighbours"} <= set(names)
    for finding in index["findings"]:
        for file in [*finding["tables"], *(finding[kind] for kind in ("png", "svg", "page") if kind in finding)]:
            assert (folder / file).stat().st_size > 0
    assert index["about"]["paintings"] == len(pd.read_parquet(folder / "features.parquet"))


@pytest.mark.slow
def test_a_tracked_run_gets_the_figures_in_its_one_history(tracked):
    (before,) = inspect(tracked.path)
    selection = load_model_under_study(tracked.best).paintings.selection
    index = tracked.path / "analysis" / "analysis.json"
    index.parent.mkdir()
    Image.new("RGB", (9, 9)).save(index.parent / "graph.png")
    finding = {"name": "graph", "png": "graph.png", "title": "Graph", "numbers": {"edges": 3}}
    write_json(index, {"findings": [finding]})
    log_findings(SimpleNamespace(run=tracked, paintings=SimpleNamespace(selection=selection)), index)
    (after,) = inspect(tracked.path)
    assert after["summary"].pop("analysis/graph/edges") == 3
    figure = after["summary"].pop("analysis/graph")
    (page,) = tracked.path.glob("wandb/offline-run-*")
    assert (page / "files" / figure["path"]).is_file()
    assert (page / "files" / after["summary"]["test/predictions"]["path"]).is_file()
    for key in ("name", "tags", "run_id"):
        assert after[key] == before[key]
    assert after["config"].keys() == before["config"].keys()
    assert _plain(after["summary"]) == _plain(before["summary"])
    assert [link.resolve() for link in (tracked.path.parent / "wandb").iterdir()] == [page]


def _plain(summary):
    return {key: value for key, value in summary.items() if not key.startswith("_") and not isinstance(value, dict)}


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
