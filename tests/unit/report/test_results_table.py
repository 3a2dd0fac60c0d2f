import pytest

from artculture.report.results_table import Accuracy, Headline, TableRow
from artculture.utils.label_words import LabelWords


def headline(low: float, *, models: int = 6, synthetic: bool = False, style: bool = False) -> Headline:
    accuracies = {"top1": Accuracy(59.2, low, 71.8, None)}
    row = TableRow("ResNet50", "StepLR", "Transfer", "", 1, "", "ImageNet-1k", "met", accuracies, True, "best", "")
    words = LabelWords("style") if style else LabelWords()
    return Headline(row, models, [], [], chance=9.1, majority=22.4, test_paintings=50, synthetic=synthetic, words=words)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (
            headline(45.2),
            [
                "The best of 6 models by validation (ResNet50, transfer, StepLR)",
                "it is significantly better than guessing",
            ],
        ),
        (
            headline(20.0),
            ["59.2 % of the test paintings of met", "better than guessing (9.1 %), but not than always predicting"],
        ),
        (headline(20.0, style=True), ["but not than always predicting the most frequent style (22.4 %)"]),
        (headline(8.0), ["it is not significantly better than guessing (9.1 %)."]),
        (headline(45.2, models=1, synthetic=True), ["The model (", "of the synthetic test pictures"]),
    ],
)
def test_the_result_is_one_sentence(given, parts):
    assert all(part in given.sentence for part in parts)
    assert given.sentence.count(". ") == 0
