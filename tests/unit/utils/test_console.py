import io

import pytest
from rich.table import Table

from artculture.utils.console import PlainConsole

HOSTILE = "\x1b]0;owned\x07\x1b[2J[link=file:///etc/passwd]a[/link] [/] :smile: \x9b31m\u202e"


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("where", ["line", "cell", "title", "header"])
def test_text_neither_runs_nor_formats(terminal, where):
    file = io.StringIO()
    console = PlainConsole(file=file, width=200, force_terminal=terminal, color_system=None)
    table = Table(title=HOSTILE if where == "title" else "t")
    table.add_column(HOSTILE if where == "header" else "h", no_wrap=True)
    table.add_row(HOSTILE if where == "cell" else "c")
    console.print(HOSTILE if where == "line" else table, highlight=False)
    shown = file.getvalue()
    letters = "".join(character for character in shown if character not in " \n┃")
    assert "\\x1b]0;owned\\x1b[2J[link=file:///etc/passwd]a[/link][/]:sm" in letters
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown
    assert not {"\x07", "\x9b", "\u202e"} & set(shown)


def test_all_consoles_are_such(request):
    source = request.config.rootpath / "src"
    makers = [path.name for path in source.rglob("*.py") if " Console(" in path.read_text(encoding="utf-8")]
    assert makers == []
