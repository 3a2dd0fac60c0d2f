import sys

import pytest

from artculture.studies.launchers.process import RunCommand, run_command


def test_a_row_s_command_names_its_directory_alone(row_of):
    row = row_of("r", "seed=1")
    row.directory.make()
    command = run_command(row, threads=None)
    assert command.arguments == ("-m", "artculture", "run", str(row.directory.path))


def test_a_host_without_the_folder_says_so(tmp_path):
    command = RunCommand(("-c", ""), str(tmp_path / "gone"), "log")
    with pytest.raises(FileNotFoundError, match=r"no folder .*gone on .*share"):
        command.start()


def said(command, tmp_path):
    assert command.start().wait() == 0
    return (tmp_path / "log").read_text().splitlines()[-1].split()


def test_variables_of_the_command_win_and_its_defaults_lose(tmp_path, monkeypatch):
    for name, value in {"ONE": "machine", "TWO": "machine", "SLURM_NTASKS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("THREE", raising=False)
    show = "import os; print(*(os.environ.get(name) for name in ('ONE', 'TWO', 'THREE', 'SLURM_NTASKS')))"
    given, defaults = {"ONE": "command"}, {"TWO": "default", "THREE": "default"}
    command = RunCommand(("-c", show), str(tmp_path), "log", given, defaults)
    assert said(command, tmp_path) == ["command", "machine", "default", "None"]


def test_no_threads_are_prescribed_unless_asked(row_of):
    row = row_of("r")
    assert run_command(row, threads=None).defaults == {}
    assert run_command(row, threads=3).defaults == {"OMP_NUM_THREADS": "3"}
    assert sys.executable not in run_command(row, threads=3).arguments
