import base64
import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import wandb

from artculture import cli
from artculture.report.dashboard import panels
from artculture.report.dashboard.saving import specification
from artculture.report.dashboard.study_report import report_of
from artculture.report.dashboard.tracked_study import tracked_study
from artculture.report.dashboard.workspace import name_of, workspace_of
from artculture.utils.errors import InputError
from tests.fixtures.report_study import track
from tests.unit.training.wandb_server import serving


@pytest.fixture(scope="module")
def folder(whole_study, tmp_path_factory):
    study = tmp_path_factory.mktemp("dashboard") / "outputs" / whole_study.name
    return track(Path(shutil.copytree(whole_study, study)))


@pytest.fixture
def study(folder):
    return tracked_study(folder, "team", None, None)


def test_the_workspace_has_the_studys_runs_by_row(study):
    workspace = workspace_of(study)
    section = workspace._to_model().model_dump(by_alias=True)["spec"]["section"]
    (runs,) = section["runSets"]
    assert runs["filters"]["filters"] == [
        {"key": {"section": "run", "name": "group"}, "op": "=", "value": "s", "disabled": False}
    ]
    assert runs["grouping"] == [{"section": "config", "name": "row.value"}]
    pinned = [name for name, shown in runs["runFeed"]["columnPinned"].items() if shown]
    assert {"summary:test/top1", "summary:test/top1_low", "summary:test/top3_high"} < set(pinned)
    assert {"summary:test/macro_recall", "config:weights_label.value"} < set(pinned)
    colours = section["customRunColors"]
    by_run = {name: colours[run.run_id] for name, run in study.wandb_runs.items()}
    assert len(by_run) == 5
    assert len(set(by_run.values())) == 4, "the seeds of a row share their colour"
    assert set(workspace.runset_settings.group_colors.values()) == set(by_run.values())
    names = [one["name"] for one in section["panelBankConfig"]["sections"]]
    assert names == [
        "Results and the paper's numbers", "Curves", "Recall by culture", "Test predictions", "Analysis",
    ]  # fmt: skip
    text = json.dumps(section)
    for metric in ("train/loss", "val/top1", "test/recall/Japanese", "test/predictions", "analysis/distances"):
        assert metric in text
    assert "(paper 71.79)" in text


def test_the_report_has_the_table_with_tests_the_figures_and_the_commands(study):
    report = report_of(study)
    assert (report.entity, report.project, report.title) == ("team", "art", "s")
    blocks = report._to_model().model_dump(by_alias=True)["spec"]["blocks"]
    titles = [block["children"][0]["text"] for block in blocks if block["type"] == "heading"]
    assert titles[:4] == ["Results", "Curves", "Recall by culture", "Test predictions"]
    assert titles[-1] == "Reproduce and resume"
    (analysed,) = [title for title in titles if title.startswith("Figures of ")]
    texts = [block["content"] for block in blocks if block["type"] == "markdown-block"]
    assert "95 % confidence intervals" in texts[0]
    assert "McNemar" in texts[0]
    assert texts[-1].count("artculture train architecture=") == 5
    assert "<script>" not in "".join(texts), "captions are text"
    grids = [block for block in blocks if block["type"] == "panel-grid"]
    media = [grid for grid in grids if "Media Browser" in json.dumps(grid)]
    run = study.wandb_runs[analysed.removeprefix("Figures of ")]
    assert len(media) == 4
    for grid in media:
        (shown,) = grid["metadata"]["runSets"][0]["filters"]["filters"]
        assert (shown["key"]["name"], shown["value"]) == ("name", run.run_id)


def test_a_plan_is_the_specification_and_asks_no_server(folder, capsys):
    assert cli.main(["dashboard", "study.name=s", f"study.root={folder.parent}", "plan=true", "entity=x"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == {"workspace", "report"}
    assert printed["workspace"]["entity"] == "x"
    assert not (folder / "dashboard.json").exists()


def test_a_study_without_results_still_has_curves(study):
    empty = dataclasses.replace(study, record=dataclasses.replace(study.record, summary=pd.DataFrame(), runs=[]))
    spec = specification(empty)
    names = [one["name"] for one in spec["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]]
    assert names == ["Curves"]


def test_names_that_w_and_b_refuses_are_changed():
    assert name_of("lr=1 + 🎨 Dutch") == "lr 1 Dutch"
    assert name_of("=") == "Study"


def test_an_untracked_study_and_a_missing_extra_are_one_message(whole_study, folder, monkeypatch, capsys):
    with pytest.raises(InputError, match=r"no run of .* was logged to W&B"):
        tracked_study(whole_study, None, None, None)
    monkeypatch.setattr("artculture.commands.dashboard.find_spec", lambda _: None)
    assert cli.main(["dashboard", "study.name=s", f"study.root={folder.parent}"]) == 2
    assert "pip install 'artculture[dashboard]'" in capsys.readouterr().err


def test_panels_fill_rows_without_overlap(study):
    for shown in (panels.curves(), panels.results(), panels.recall_by_culture(study), panels.predictions()):
        cells = [(x, y) for p in shown for x in _span(p.layout.x, p.layout.w) for y in _span(p.layout.y, p.layout.h)]
        assert len(cells) == len(set(cells))


def _span(start, length):
    return range(start, start + length)


class Views:
    """The saved views of a W&B server: workspaces and reports."""

    def __init__(self):
        self.stored = {}

    def upsert(self, asked):
        if "spec" not in asked:
            return None
        number = asked.get("id") or base64.b64encode(f"View:{1000 + len(self.stored)}".encode()).decode()
        view = {
            "id": number, "name": asked["name"], "displayName": asked["displayName"], "description": "",
            "type": asked["type"], "spec": asked["spec"], "createdAt": None, "updatedAt": None,
            "project": {"id": "P", "name": asked["projectName"], "entityName": asked["entityName"]},
        }  # fmt: skip
        self.stored[number] = view
        return {"view": view, "inserted": True}

    def one(self, asked):
        return self.stored.get(asked.get("reportId"))

    def named(self, asked):
        found = [{"node": view} for view in self.stored.values() if view["name"] == asked.get("viewName")]
        return {"id": "P", "internalId": "1", "allViews": {"edges": found}}


def test_a_second_time_updates_the_same_workspace_and_report(folder, read_json, monkeypatch, capsys):
    views = Views()
    page = {"pageInfo": {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}, "edges": []}
    with serving() as server:
        server.answers = {"upsertView": views.upsert, "view": views.one, "project": views.named}
        server.answers |= {"models": lambda _: page, "upsertModel": lambda _: {"model": {"id": "P", "name": "art"}}}
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        wandb.teardown()  # its settings are read once
        printed = []
        for _ in range(2):
            assert cli.main(["dashboard", "study.name=s", f"study.root={folder.parent}"]) == 0
            printed.append(capsys.readouterr().out.splitlines())
    monkeypatch.undo()
    wandb.teardown()
    assert [view["type"] for view in views.stored.values()] == ["project-view", "runs"]
    assert len(server.variables("upsertView")) == 4
    addresses = read_json(folder / "dashboard.json")
    assert printed == [[*addresses.values()]] * 2
    assert "/e/art?nw=" in addresses["workspace"]
    assert "/e/art/reports/s--" in addresses["report"]
