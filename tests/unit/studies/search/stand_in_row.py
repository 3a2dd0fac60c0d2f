"""A trial's process that trains nothing: accuracy is the better the nearer the learning rate is to 0.05."""

import json
import math
import os
import sys
import time
from pathlib import Path

folder, rate, epochs = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
said = json.loads(os.environ.get("STAND_IN", "{}"))
if (folder.parent.parent / "broken").exists():
    sys.exit("artculture: the machine is on fire")
best = 1 / (1 + abs(math.log(rate / 0.05)))
lines = ["epoch,val/loss,val/top1,seconds"]
for epoch in range(epochs):
    lines.append(f"{epoch},{1 - best},{best * (epoch + 1) / epochs},1.5")
    (folder / "metrics.tmp").write_text("\n".join(lines) + "\n")
    (folder / "metrics.tmp").rename(folder / "metrics.csv")
    time.sleep(said.get("seconds", 0))
if said.get("checkpoint"):
    (folder / "checkpoints" / "best.ckpt").touch()
(folder / "result.json").write_text(json.dumps({"val_top1": best}))
(folder / "status.json").write_text(json.dumps({"state": "finished"}))
