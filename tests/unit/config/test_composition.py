import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artculture import cli
from artculture.collection.curation.config import CurateConfig
from artculture.collection.fetching.config import FetchConfig
from artculture.commands.report import ReportConfig
from artculture.config.schema.checkpoint_commands import (
    AnalyzeConfig,
    CardConfig,
    EvaluateConfig,
    ExplainConfig,
    ExportConfig,
    IndexConfig,
    PredictConfig,
    PublishConfig,
)  # fmt: skip
from artculture.config.schema.shard import ShardConfig
from artculture.config.schema.train import TrainConfig
from artculture.config.typed_text import quoted, typed_keys
from artculture.config.validation import known_keys
from artculture.studies.search.config import SearchConfig

VALUES = [
    "outputs/a-seed=1/checkpoints/best.ckpt",
    "https://example.org/a.jpg?size=1&form=a,b#(c)",
    "it's one, (1) {a}: 50%.jpg",
    r"C:\pictures\a.jpg",
    "ends\\",
    r"back\'quote",
    "scans/**/*.[jt]*",
    "-",
    "d/é",
    "~/pictures",
    " leading/源氏\u3000物語.jpg",
    "{a}/#1",
    "(p)/100%/a&b!",
    "[1].jpg",
    "'tis",
]
SCHEMAS = (
    TrainConfig, SearchConfig, ShardConfig, EvaluateConfig, AnalyzeConfig, PredictConfig, CurateConfig, FetchConfig,
    ReportConfig, ExportConfig, CardConfig, PublishConfig, IndexConfig, ExplainConfig,
)  # fmt: skip
PATHS = ("root", "path", "checkpoint", "output", "manifest", "cache", "images", "overlay", "exclusions", "weights",
         "shards", "resume", "cultures", "label", "image", "id")  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_quoted_value_is_read_as_it_was_typed(value):
    (typed,) = quoted([f"images={value}"], ["images"])
    assert OverridesParser.create().parse_override(typed).value() == value


@pytest.mark.parametrize("text", ["images=[]", "images='a b'", 'images="a"', "images=null", "images=", "top=3", "-m"])
def test_what_needs_no_quotes_stays(text):
    assert quoted([text], ["images"]) == [text]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_path_and_label_is_taken_as_typed(schema):
    # `fetch` has options of other meaning by two of these names.
    meant = {key for key in known_keys(schema) if key.split(".")[-1] in PATHS} - {"source.image"}
    meant -= {"cultures"} if schema is FetchConfig else set()
    assert meant <= set(typed_keys(schema))


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("[01,1,2]", ["01", "1", "2"]),
        ("[Français,中国,🎨]", ["Français", "中国", "🎨"]),
        ("[ a b , 'x, y',\"z\",null]", ["a b", "x, y", "z", "null"]),
        ("[it's,d]", ["it's", "d"]),
    ],
)
def test_labels_in_a_list_are_text(typed, values):
    (text,) = quoted([f"data.cultures={typed}"], ["data.cultures"])
    assert OverridesParser.create().parse_override(text).value() == values


def test_a_comma_is_a_grid_unless_such_a_path_exists(tmp_path):
    keys = ["data.root", "data.cultures"]
    assert quoted(["data.root=é,b"], keys, sweeps=True) == ["data.root='é','b'"]
    assert quoted(["data.cultures=[a,b],[c,d]"], keys, sweeps=True) == ["data.cultures=['a','b'],['c','d']"]
    assert quoted(["+data.root=choice(a,b)"], keys, sweeps=True) == ["+data.root=choice(a,b)"]
    (tmp_path / "é,b").mkdir()
    assert quoted(["data.root=é,b"], keys, sweeps=True) == ["data.root='é,b'"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            ["train", "data=folder", "data.root=~/é, [x]=1", "logger=csv", "plan=true"],
            "{home}/é, [x]=1: no such folder",
        ),
        (["curate", "root=~/é, [x]=1"], "no manifest at {home}/é, [x]=1/manifest.csv"),
        (["fetch", "root=f", "manifest=~/é, [x]=1/a.csv"], "no manifest at {home}/é, [x]=1/a.csv"),
        (["shard", "data=folder", "data.root=~/é, [x]=1", "shards=a b"], "{home}/é, [x]=1: no such folder"),
        (["evaluate", "checkpoint=~/é, [x]=1"], "{home}/é, [x]=1"),
        (["report", "study.name=s", "study.root=~/é, [x]=1"], "{home}/é, [x]=1/s"),
    ],
)
def test_commands_take_any_path_as_typed(tmp_path, monkeypatch, capsys, command, says):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(command) == 2
    assert says.format(home=tmp_path) in capsys.readouterr().err
