"""Whether two runs ended with the same numbers, to the last bit."""

from pathlib import Path

import pandas as pd
import torch


def assert_same_run(whole: Path, resumed: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        left, right = _tensors(whole / "checkpoints" / name), _tensors(resumed / "checkpoints" / name)
        assert left.keys() == right.keys()
        assert all(torch.equal(left[key], right[key]) for key in left), name
    assert (whole / "predictions.csv").read_bytes() == (resumed / "predictions.csv").read_bytes()
    rows, others = (pd.read_csv(run / "metrics.csv", dtype=str).drop(columns="seconds") for run in (whole, resumed))
    pd.testing.assert_frame_equal(rows, others)


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    content = torch.load(path, weights_only=True)
    found = dict(content["state_dict"])
    for optimizer in content.get("optimizer_states", []):
        for i, state in optimizer["state"].items():
            found |= {f"{key} {i}": value for key, value in state.items() if isinstance(value, torch.Tensor)}
    found |= content.get("callbacks", {}).get("WeightEma", {}).get("average", {})
    return found
