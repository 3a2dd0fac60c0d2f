import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pandas as pd
import pytest
import yaml
from optuna.trial import TrialState

from tests.unit.studies.search.conftest import SEARCH, arguments

NAME = "test_resnet-finetuned-plateau-pictures-weights=none-image_size=32-batch_size=8"
OPTION = NAME.replace("=", "_")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "default"


@pytest.fixture
def trials(study: Path) -> Callable[[], list[optuna.trial.FrozenTrial]]:
    def read():
        (found,) = optuna.get_all_study_summaries(f"sqlite:///{study}/search.db")
        return optuna.load_study(study_name=found.study_name, storage=f"sqlite:///{study}/search.db").trials

    return read


pytestmark = pytest.mark.usefixtures("stand_in")


def test_the_best_values_become_an_option_and_the_best_trial_keeps_its_checkpoints(search, study, capsys, monkeypatch):
    monkeypatch.setenv("STAND_IN", '{"checkpoint": true}')
    assert search() == 0
    (kept,) = {file.parent.parent.name for file in study.glob("trials/*/checkpoints/*.ckpt")}
    table = pd.read_csv(study / "trials" / f"{NAME}.csv")
    assert list(table["state"]) == ["finished"] * 3
    best = table.loc[table["val_top1"].idxmax()]
    assert kept == best["run"]
    option = yaml.safe_load((study / "conf" / "tuned" / f"{OPTION}.yaml").read_text())
    assert option == {"method": {"head_lr": best["method.head_lr"]}}
    assert f"artculture train --config-dir outputs/default/conf +tuned={OPTION}" in capsys.readouterr().out


def test_a_second_start_completes_the_asked_number(search, trials):
    assert search("search.trials=1") == 0
    assert search("search.trials=2") == 0
    assert search("search.trials=2") == 0
    assert [trial.state for trial in trials()] == [TrialState.COMPLETE] * 2


@pytest.mark.slow
def test_a_search_in_two_parts_tries_what_one_in_a_piece_tries(search, trials, study):
    sampler = "search.startup_trials=2"  # TPE has its say
    search("search.trials=3", sampler)
    search("search.trials=6", sampler)
    in_parts = [trial.params for trial in trials()]
    (study / "search.db").unlink()
    search("search.trials=6", sampler)
    assert [trial.params for trial in trials()] == in_parts
    assert len({str(params) for params in in_parts}) == 6


@pytest.mark.slow
def test_a_killed_search_continues_with_its_trial(search, trials, study):
    killed = [sys.executable, "-c", SEARCH.format(then="os.kill(os.getpid(), 9)"), *arguments(study)]
    assert subprocess.run(killed).returncode == -9
    (open_trial,) = trials()
    assert open_trial.state == TrialState.RUNNING
    assert search() == 0
    assert trials()[0].params == open_trial.params
    assert [trial.state for trial in trials()] == [TrialState.COMPLETE] * 3


@pytest.mark.slow
def test_two_searches_at_once_share_the_trials(search, trials, study):
    other = subprocess.Popen([sys.executable, "-c", SEARCH.format(then="pass"), *arguments(study, "search.trials=8")])
    assert search("search.trials=8") == 0
    assert other.wait(60) == 0
    done = trials()
    assert [trial.state for trial in done] == [TrialState.COMPLETE] * 8
    assert len({trial.user_attrs["run"] for trial in done}) == 8


@pytest.mark.slow
def test_failed_trials_are_reported_and_tried_again_by_the_next_start(search, trials, study, capsys):
    study.mkdir(parents=True)
    (study / "broken").touch()
    assert search() == 1
    assert "the machine is on fire" in capsys.readouterr().err
    failed = trials()
    assert [trial.state for trial in failed] == [TrialState.FAIL] * 3  # then it gave up
    (study / "broken").unlink()
    assert search() == 0
    done = [trial for trial in trials() if trial.state == TrialState.COMPLETE]
    assert len(done) == 3
    assert [trial.params for trial in done] == [trial.params for trial in failed]


@pytest.mark.slow
def test_a_trial_worse_than_the_others_is_given_up(search, trials, monkeypatch, read_json, study):
    monkeypatch.setenv("STAND_IN", '{"seconds": 0.3}')
    monkeypatch.setattr("artculture.studies.search.store.STARTUP_TRIALS_OF_PRUNER", 1)
    options = ["search.trials=6", "search.pruner=median", "search.warmup_epochs=0", "trainer.max_epochs=4"]
    assert search(*options) == 0
    pruned = [trial for trial in trials() if trial.state == TrialState.PRUNED]
    assert pruned
    status = read_json(study / "trials" / pruned[0].user_attrs["run"] / "status.json")
    assert (status["state"], status["error"]) == ("pruned", pruned[0].user_attrs["why"])


@pytest.mark.slow
def test_another_space_under_the_same_name_is_refused(search, capsys):
    assert search("search.trials=1") == 0
    assert search("search.trials=1", "resume=must") == 0
    for changed, says in {
        "search.space.method.head_lr.high=5": "method.head_lr: 0.002 to 0.2 (log) there, 0.002 to 0.1 (log) now",
        "search.space.scheduler.k=[3,4]": "scheduler.k: not searched there, [3, 4] now",
    }.items():
        assert search("search.trials=1", changed) == 2
        assert says in capsys.readouterr().err
    assert search("search.trials=1", changed, "resume=never") == 0


def test_must_needs_a_search_and_a_store_must_be_one(search, capsys, study):
    assert search("resume=must") == 2
    assert "there is no search" in capsys.readouterr().err
    (study / "search.db").write_text("shopping list: paint, more paint")
    assert search() == 2
    assert "search.db can't be used" in capsys.readouterr().err


def test_what_is_typed_or_means_nothing_is_not_searched(search, capsys, caplog):
    space = ["search.space.scheduler.gamma=[0.1,0.2]", "search.space.method.backbone_lr=[0.1,0.2]"]
    assert search("method=transfer", "scheduler=cosine", "search.trials=1", *space) == 0
    said = caplog.text
    assert "scheduler.gamma (not of scheduler=cosine)" in said
    assert "method.backbone_lr (the backbone is frozen)" in said
    assert "data.batch_size (typed)" in said
    assert search("method.head_lr=0.1") == 2
    assert "the search space is empty" in capsys.readouterr().err
