import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from artculture.utils.terminal_table import print_note, print_table

ROW = ("efficientnet_lite0-finetuned", Text("[a] 61.54"), "pretrained\n(LAION)")


WIDE = ("thin", "Scratch · width=32 image_size=96 per_culture=40 max_epochs=6", "22.73\n[12.3, 38.1]", "", "random")


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


@pytest.mark.parametrize("width", [20, 40, 50, 60, 80, 100])
def test_long_cells_are_wrapped_between_words_within_the_width(width):
    table = Table("Architecture", "Method", "Top-1 Accuracy", "Difference", "Weights", title="study")
    for column in table.columns:
        column.overflow = "fold"
    table.add_row(*WIDE)
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table)
    text = console.file.getvalue()
    assert all(word in text for word in " ".join(WIDE).split())
    assert all(len(line) <= width for line in text.splitlines())


def test_a_note_is_indented_and_keeps_long_words():
    console = Console(file=io.StringIO(), width=30)
    print_note(console, "Compared on 1 of 2 seeds: outputs/study/efficientnet_lite0-finetuned-plateau and [more].")
    assert console.file.getvalue().splitlines() == [
        "  Compared on 1 of 2 seeds:",
        "  outputs/study/efficientnet_lite0-finetuned-plateau",
        "  and [more].",
    ]
