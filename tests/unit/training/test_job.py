import pytest

from artculture import cli
from artculture.training.job import Job, read_job, stored_values, write_job
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError


def test_what_is_written_is_read_back(composed, tmp_path):
    job = Job(composed("data.batch_size=8"), ("batch_size=8",), ("data.batch_size=8",), "/somewhere")
    write_job(RunDirectory(tmp_path / "run"), job, restart=True)
    assert read_job(RunDirectory(tmp_path / "run")) == job
    status = RunDirectory(tmp_path / "run").status()
    assert (status["state"], status["restart"]) == ("pending", True)


def test_starting_over_is_no_part_of_the_run(composed):
    assert stored_values(composed("resume=never"))["resume"] == "auto"
    assert stored_values(composed("resume=must"))["resume"] == "must"


@pytest.mark.parametrize("text", ["", "seed: [", "seed: 1", "- 1"])
def test_a_damaged_job_is_an_input_error(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=r"config\.yaml"):
        read_job(RunDirectory(tmp_path))


def test_run_trains_and_resumes_a_run_by_its_folder(run, monkeypatch, tmp_path):
    run = run.path
    before = (run / "metrics.csv").read_bytes()
    for file in ("result.json", "metrics.csv", "predictions.csv"):
        (run / file).unlink()
    for checkpoint in (run / "checkpoints").iterdir():
        checkpoint.unlink()
    RunDirectory(run).set_status("pending")
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    run.rename(moved)
    monkeypatch.chdir(moved.parent)
    assert cli.main(["run", "renamed"]) == 0

    def epochs(text: bytes) -> list[bytes]:
        return [line.rsplit(b",", 2)[0] for line in text.splitlines()]

    assert len(epochs((moved / "metrics.csv").read_bytes())) == len(epochs(before))
    assert not run.exists()
    status = RunDirectory(moved).status()
    assert cli.main(["run", str(moved)]) == 0
    assert RunDirectory(moved).status() == status  # it was finished


@pytest.mark.parametrize("typed", [[], ["a", "b"], ["--seed"], ["no/such/folder"]])
def test_a_wrong_call_is_one_message(typed, capsys):
    assert cli.main(["run", *typed]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
