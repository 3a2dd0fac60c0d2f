import pytest
from hydra.core.global_hydra import GlobalHydra

from artculture import cli
from artculture.config.schema.data import Folder
from artculture.data.data_choice import DataChoice
from artculture.data.selection import select
from artculture.training.callbacks.divergence import DivergenceGuard
from tests.unit.training.test_run import _die_at_step, assert_same_run


@pytest.fixture
def shards(pictures, tmp_path, capsys) -> str:
    root = tmp_path / "shards"
    assert cli.main(["shard", f"data.root={pictures}", f"shards={root}", "pictures=6"]) == 0
    assert capsys.readouterr().out.startswith("42 paintings in 8 shards, 0.0")
    return str(root)


@pytest.fixture
def train_shards(train, shards):
    def command(*overrides):
        return train("data=shards", f"data.root={shards}", "data.shuffle_shards=2", *overrides)

    return command


def test_a_run_on_shards_is_trained_evaluated_and_reported(train_shards, only_run, read_json):
    assert train_shards("trainer.max_epochs=1") == 0
    result = read_json(only_run() / "result.json")
    assert sorted(result["classes"]) == ["blue", "green", "red"]
    GlobalHydra.instance().clear()  # a command has its process to itself
    assert cli.main(["report", "study.name=default"]) == 0
    assert "data:image/jpeg;base64" in (only_run().parent / "report.html").read_text()
    assert cli.main(["evaluate", f"checkpoint={only_run()}"]) == 0
    evaluated = read_json(only_run() / "evaluation" / "shards" / "result.json")
    assert evaluated["top1"] == result["test_top1"]


@pytest.mark.slow
@pytest.mark.parametrize("features", ["cached", "recompute"])
def test_a_frozen_backbone_sees_shards(train_shards, only_run, features):
    assert train_shards("trainer.max_epochs=1", "method=transfer", f"method.features={features}") == 0
    assert (only_run() / "result.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [2, 7])
def test_resume_within_an_epoch_is_bit_exact(train_shards, monkeypatch, tmp_path, stop):
    overrides = ["trainer.max_epochs=2", "augment=strong", "trainer.checkpoint_every_steps=1"]
    assert train_shards(*overrides, "study.name=undisturbed") == 0
    with monkeypatch.context() as patch:
        patch.setattr(DivergenceGuard, "on_train_batch_start", _die_at_step(stop), raising=False)
        assert train_shards(*overrides, "study.name=stopped") == 1
    assert train_shards(*overrides, "study.name=stopped", "data.cache_gb=1") == 0
    assert_same_run(
        *(next(tmp_path.glob(f"outputs/{name}/*/config.yaml")).parent for name in ("undisturbed", "stopped"))
    )


def test_the_plan_reads_no_picture(train_shards, tmp_path, capsys):
    assert train_shards("plan=true") == 0
    assert not (tmp_path / "cache" / "shards").exists()


def test_the_same_command_again_writes_nothing(shards, pictures, capsys):
    assert cli.main(["shard", f"data.root={pictures}", f"shards={shards}", "pictures=6"]) == 0
    assert "42 paintings in 8 shards (8 already existed)" in capsys.readouterr().out


def test_what_can_t_be_read_is_listed(pictures, tmp_path, capsys):
    (pictures / "red" / "3.png").write_bytes(b"")
    typed = ["shard", f"data.root={pictures}", f"shards={tmp_path}/out"]
    assert cli.main(typed) == 2
    assert "red/3.png can't be read (zero bytes)" in capsys.readouterr().err
    assert cli.main([*typed, "data.on_bad_image=skip"]) == 0
    assert "skipped 1 that can't be read" in capsys.readouterr().out
    assert (tmp_path / "out" / "quarantine.csv").read_text() == "image,reason\nred/3.png,zero bytes\n"


def test_too_many_that_can_t_be_read_are_an_error(pictures, tmp_path, capsys):
    for number in range(3):
        (pictures / "red" / f"{number}.png").write_bytes(b"")
    typed = ["shard", f"data.root={pictures}", f"shards={tmp_path}/out", "data.on_bad_image=skip"]
    assert cli.main(typed) == 2
    assert "3 picture(s) can't be read: red/0.png (zero bytes)" in capsys.readouterr().err
    assert cli.main([*typed, "data.bad_image_share=0.1"]) == 0


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["shard", "data=sample"], "shards"),
        (["shard", "data=shards", "data.root=x", "shards=y"], "is shards already"),
        (["shard", "data=sample", "shards=y", "pictures=0"], "pictures"),
        (["shard", "data=sample", "shards=s4://bucket/y"], "Protocol not known: s4"),
        (["train", "data=shards"], "data.root"),
        (["train", "data=shards", "data.root=nowhere"], "no shards.json in nowhere: `artculture shard"),
        (["train", "data=folder", "data.root=x", "+data.cache_gb=3"], "data.cache_gb"),
        (["train", "data=shards", "data.root=x", "data.shuffle_shards=0"], "data.shuffle_shards"),
    ],
)
def test_mistakes_end_in_one_clear_message(typed, says, capsys):
    assert cli.main(typed) == 2
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err


def test_every_value_of_data_reaches_the_choice(pictures):
    values = {"name": "folder", "root": str(pictures), "split": "random", "split_seed": 4, "fractions": [0.5, 0.2, 0.3]}
    values |= {"small_cultures": "drop", "on_bad_image": "skip", "cultures": ["red", "blue"], "cache": "c"}
    loading = {"image_size": None, "batch_size": 1, "num_workers": 0}
    choice = DataChoice.of(Folder(**values, **loading))
    assert {key: getattr(choice, key) for key in values} == values
    assert select(choice).classes == ("red", "blue")
