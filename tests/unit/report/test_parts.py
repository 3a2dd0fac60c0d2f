import numpy as np
import pandas as pd
import pytest

from artculture.evaluation.parts import accuracy_by_artist
from artculture.report.page import write_report
from artculture.report.parts import part_tables
from artculture.training.run_directory import RunDirectory
from artculture.utils.io import write_json
from tests.unit.studies.test_results import predict, result

BY_ARTIST = accuracy_by_artist(np.array([True, False, True]), pd.Series(["A", "B", "A"]), pd.Series(["A"]))
BY_SOURCE = {"aic": {"n": 40, "trained_on": 0, "top1": 0.25, "intervals": {"top1": (0.142, 0.402)}}}


def test_parts_without_paintings_are_left_out():
    (heading, scores), (_, (source,)) = part_tables({"by_artist": BY_ARTIST, "by_source": BY_SOURCE})
    assert heading == "By artist"
    assert [(score.name, score.n, score.top1) for score in scores] == [
        ("artist in the training split", 2, 100.0),
        ("artist not in the training split", 1, 0.0),
    ]
    assert (source.name, source.top1, source.low) == ("aic", 25.0, pytest.approx(14.2))
    assert part_tables({}) == []


def test_the_report_shows_them(tmp_path):
    for variant, top1 in (("", 0.72), ("disjoint=artist", 0.6)):
        directory = RunDirectory(tmp_path / "study" / (variant or "mixed"))
        directory.make()
        directory.write_config({"seed": 0})
        directory.set_status("finished")
        parts = {"by_artist": BY_ARTIST, "by_source": BY_SOURCE}
        write_json(
            directory.result, result(run=directory.path.name, variant=variant, test_top1=top1, val_loss=1, **parts)
        )
        predict(directory, top1)
    for file in write_report(tmp_path / "study", mistakes=0):
        text = file.read_text()
        for shown in ("Without a shared artist", "-12.00", "artist not in the training split", "aic"):
            assert shown in text
