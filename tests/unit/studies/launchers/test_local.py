import os
from pathlib import Path

from artculture.studies.launchers.local import LocalLauncher, slots

SHOW = "import os; print(*(os.environ.get(name) for name in {names!r}))"


def test_rows_get_a_gpu_each(monkeypatch, composed):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert slots(composed("data=sample")) == ["2", "5"]
    assert slots(composed("launcher.parallel=3")) == ["2", "5", "2"]
    assert slots(composed("trainer=cpu")) == [None]
    assert slots(composed("trainer=cpu", "launcher.parallel=2")) == [None, None]


# Waits for the first three to run at the same time.
TOGETHER = """
import pathlib, sys, time
begun = pathlib.Path(sys.argv[1]).parent / "begun"; begun.mkdir(exist_ok=True)
(begun / pathlib.Path(sys.argv[1]).name).touch()
while len(list(begun.iterdir())) < 3: time.sleep(0.05)
"""


def test_a_gpu_is_handed_on_when_its_row_has_ended(row_of, row_does, run_all):
    row_does(TOGETHER + SHOW.format(names=["CUDA_VISIBLE_DEVICES"]))
    processes = run_all(LocalLauncher(["2", "5", "2"]), [row_of(str(n)) for n in range(5)])
    said = [process.run.directory.log.read_text().splitlines()[-1] for process in processes]
    assert said[:3] == ["2", "5", "2"]
    assert set(said[3:]) <= {"2", "5"}
    assert [process.location for process in processes] == [f"GPU {gpu}" for gpu in said]


def test_rows_side_by_side_share_the_cores(row_of, row_does, run_all, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    row_does(SHOW.format(names=["OMP_NUM_THREADS", "ARTCULTURE_RUN_OF_STUDY"]))
    processes = run_all(LocalLauncher([None, None]), [row_of("0"), row_of("1")])
    share = max(1, (os.cpu_count() or 1) // 2)
    assert processes[0].run.directory.log.read_text().splitlines()[-1] == f"{share} {os.getpid()}"


# Counts how many run at the same time.
COUNTS = """
import pathlib, sys, time
here = pathlib.Path(sys.argv[1]); busy = here.parent / "busy"; busy.mkdir(exist_ok=True)
mine = busy / here.name; mine.touch(); time.sleep(0.5)
print(len(list(busy.iterdir()))); time.sleep(0.5); mine.unlink()
"""


def test_as_many_rows_run_as_there_are_places(row_of, row_does, run_all):
    row_does(COUNTS)
    processes = run_all(LocalLauncher([None, None]), [row_of(str(n)) for n in range(4)])
    most = max(int(process.run.directory.log.read_text().splitlines()[-1]) for process in processes)
    assert most == 2


def test_rows_run_in_the_folder_of_the_command(row_of, row_does, run_all):
    row_does("import os; print(os.getcwd())")
    (process,) = run_all(LocalLauncher([None]), [row_of("0")])
    assert process.run.directory.log.read_text().splitlines()[-1] == str(Path.cwd())
