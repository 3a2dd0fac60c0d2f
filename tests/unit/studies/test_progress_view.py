import io

from rich.console import Console

from artculture.studies.executor import RunProcess
from artculture.studies.progress_view import StudyView, clock


def test_clock():
    assert [clock(s) for s in (None, 5, 65, 3725)] == ["", "0:05", "1:05", "1:02:05"]


class OnGpu:
    location = "GPU 1"


def test_a_terminal_shows_every_row_as_it_stands(composed_row):
    row = composed_row()
    row.directory.make()
    row.directory.set_status("running", epoch=3, max_epochs=10, val_top1=0.625, seconds_left=75)
    rows = [RunProcess(row, state="running", started=OnGpu()), RunProcess(composed_row(seed=1))]
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    console.print(StudyView(console, "Table 2", rows)._rendered())
    shown = console.file.getvalue()
    assert all(text in shown for text in ("Table 2", "running (GPU 1)", "3/10", "62.5 %", "1:15", "waiting"))


def test_elsewhere_a_line_says_each_change_once(composed_row):
    row = RunProcess(composed_row())
    console = Console(file=io.StringIO(), width=80)
    with StudyView(console, "Table 2", [row]) as view:
        row.state = "running"
        view.update()
        view.update()
        row.state, row.error = "failed", "killed by SIGKILL"
    assert console.file.getvalue().splitlines() == ["[1/1] run0: running", "[1/1] run0: failed: killed by SIGKILL"]
