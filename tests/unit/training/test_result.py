import pandas as pd

from artculture import cli
from artculture.data.datamodule import PaintingsDataModule


def test_the_test_split_is_left_alone_and_evaluated_when_asked_for(train, only_run, read_json, monkeypatch, capsys):
    asked, evaluated = [], PaintingsDataModule.eval_dataloader
    with monkeypatch.context() as patch:
        patch.setattr(PaintingsDataModule, "eval_dataloader", lambda *a: asked.append(a[1]) or evaluated(*a))
        assert train("trainer.evaluate_test=false", "trainer.max_epochs=2") == 0
    assert set(asked) == {"val"}
    run = only_run()
    before = read_json(run / "result.json")
    assert not [key for key in before if key.startswith("test")]
    assert set(pd.read_csv(run / "predictions.csv")["split"]) == {"val"}
    assert "test split not evaluated" in capsys.readouterr().out
    assert cli.main(["compare", "study.name=default"]) == 0

    history = (run / "metrics.csv").read_text()
    assert train("trainer.max_epochs=2") == 0
    after = read_json(run / "result.json")
    assert (after["val_top1"], after["counts"]) == (before["val_top1"], before["counts"])
    assert 0 <= after["test_top1"] <= 1
    assert (run / "metrics.csv").read_text() == history
