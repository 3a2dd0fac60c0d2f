"""A classifier of a museum's embeddings, from training to evaluation and analysis."""

import json

import pytest

from artculture import cli
from tests.fixtures.embeddings import DIM, vector, write_embeddings, write_met_objects


@pytest.fixture
def source(tmp_path):
    write_met_objects(tmp_path / "MetObjects.csv", range(90))
    return ["data=embeddings", f"data.path={write_embeddings(tmp_path / 'met.parquet', range(90))}",
            f"data.root={tmp_path / 'MetObjects.csv'}"]  # fmt: skip


def test_a_head_learns_evaluates_and_is_analysed(source, only_run, tmp_path, capsys):
    command = [*source, "architecture=embeddings", "method=transfer", "trainer.max_epochs=8", "logger=csv"]
    assert cli.main(["train", *command, "data.fractions=[0.6,0.2,0.2]"]) == 0
    result = json.loads((only_run() / "result.json").read_text())
    assert result["test_top1"] > 0.8
    assert result["weights"] == "embeddings (siglip2-so400m)"
    assert cli.main(["report", "study.name=default"]) == 0
    other = write_embeddings(tmp_path / "other.parquet", range(90, 120))
    write_met_objects(tmp_path / "other.csv", range(90, 120))
    given = ["evaluate", f"checkpoint={only_run()}", "data=embeddings", f"data.root={tmp_path / 'other.csv'}"]
    assert cli.main([*given, f"data.path={other}", f"output={tmp_path / 'evaluated'}"]) == 0
    assert json.loads((tmp_path / "evaluated" / "result.json").read_text())["top1"] > 0.8
    capsys.readouterr()
    longer = write_embeddings(tmp_path / "longer.parquet", range(90, 96), [vector(n, DIM + 1) for n in range(6)])
    assert cli.main([*given, f"data.path={longer}"]) == 2
    assert f"trained on embeddings of {DIM} numbers" in capsys.readouterr().err
    assert cli.main(["predict", f"checkpoint={only_run()}", f"images={tmp_path / 'other.csv'}"]) == 2
    assert "takes embeddings of siglip2-so400m, not pictures" in capsys.readouterr().err


def test_a_probe_is_fitted_on_the_vectors(source, only_run, read_json):
    command = [*source, "architecture=embeddings", "method=probe", "logger=csv", "data.fractions=[0.6,0.2,0.2]"]
    assert cli.main(["train", *command]) == 0
    result = read_json(only_run() / "result.json")
    assert result["test_top1"] > 0.8
    assert result["probe"]["classifier"] == "logistic"
    again = ["evaluate", f"checkpoint={only_run()}", f"output={only_run() / 'again'}"]
    assert cli.main(again) == 0
    assert read_json(only_run() / "again" / "result.json")["top1"] == result["test_top1"]


@pytest.mark.slow
def test_it_is_analysed_without_pictures(source, only_run, tmp_path):
    command = [*source, "architecture=embeddings", "method=transfer", "trainer.max_epochs=2", "logger=csv"]
    assert cli.main(["train", *command, "data.fractions=[0.6,0.2,0.2]"]) == 0
    assert cli.main(["analyze", f"checkpoint={only_run()}", f"output={tmp_path / 'analysis'}"]) == 0
    assert (tmp_path / "analysis" / "analysis.json").is_file()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["method=transfer"], "architecture=embeddings go together"),
        (["architecture=embeddings"], "use transfer or probe"),
    ],
)
def test_what_goes_with_embeddings_is_named(source, capsys, typed, says):
    assert cli.main(["train", *source, *typed]) == 2
    assert says in capsys.readouterr().err
