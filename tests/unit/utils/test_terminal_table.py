import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from artculture.utils.terminal_table import print_table

ROW = ("efficientnet_lite0-finetuned", Text("[a] 61.54"), "pretrained\n(LAION)")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [30, 40, 60, 160])
def test_no_word_is_broken_whatever_the_width(width, encoding):
    table = Table("run", "top-1", "weights", title="study")
    table.columns[0].overflow = "fold"
    table.add_row(*ROW)
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_table(Console(file=file, width=width), table)
    file.seek(0)
    text = file.read()
    assert all(word in text for word in ("study", "efficientnet_lite0-finetuned", "[a]", "61.54", "pretrained"))
    assert ("top-1: " in text) == (width < 60)
