from pathlib import Path

import pandas as pd

from artculture.report.study_data import StudyRun
from artculture.training.run_directory import RunDirectory


def test_folds_that_are_not_finished_are_of_one_row():
    names = {group: {"name": group} for group in ("architecture", "method", "scheduler")}
    runs = [
        StudyRun(
            RunDirectory(Path(f"a-fold={fold}")),
            {"state": "running", "variant": ["folds=5", f"fold={fold}"]},
            {**names, "data": {"fold": fold}},
            None,
            pd.DataFrame(),
        )
        for fold in range(2)
    ]
    assert {run.row_key for run in runs} == {("architecture", "scheduler", "method", "folds=5")}
