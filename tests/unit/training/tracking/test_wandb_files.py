import pytest

from artculture.training.tracking.wandb_files import has_unsynced_runs, sync_command


@pytest.mark.parametrize(
    ("files", "unsynced"),
    [
        ([], False),
        (["run-a.wandb"], True),
        (["run-a.wandb", "run-a.wandb.synced"], False),
    ],
)
def test_offline_runs_that_were_not_uploaded_are_found(tmp_path, files, unsynced):
    for name in files:
        file = tmp_path / "wandb" / "offline-run-20260101_000000-a" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert has_unsynced_runs(tmp_path) is unsynced


def test_the_command_quotes_the_folder(tmp_path):
    assert sync_command(tmp_path / "a study") == f"cd '{tmp_path}/a study' && wandb sync wandb"
