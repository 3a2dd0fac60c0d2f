from artculture.config import TrainConfig
from artculture.hydra_app import run_app


def run(argv: list[str]) -> int:
    return run_app("train", TrainConfig, lambda config: print(config) or 0, argv)
