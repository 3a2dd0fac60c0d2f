import io

from rich.console import Console

from artculture.collection.fetching import progress as progress_module
from artculture.collection.fetching.progress import FetchProgress


def test_without_a_terminal_there_are_plain_lines_now_and_then(monkeypatch):
    monkeypatch.setattr(progress_module, "LINE_EVERY", -1)
    out = io.StringIO()
    with FetchProgress(Console(file=out, width=40)) as progress:
        stage = progress.add_task("met")
        stage.expect(4)
        stage.advance(2)
    assert out.getvalue().startswith("met: 2 of 4 (")
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_there_is_a_bar():
    out = io.StringIO()
    with FetchProgress(Console(file=out, force_terminal=True, width=100)) as progress:
        stage = progress.add_task("met")
        stage.expect(4)
        stage.advance(4)
    assert "4/4" in out.getvalue()
