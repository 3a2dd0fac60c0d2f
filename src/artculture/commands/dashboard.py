"""`artculture dashboard`: make or update a study's workspace and report in Weights & Biases."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from artculture.config.composition import run_app
from artculture.config.schema.section import Section
from artculture.config.schema.train import Study
from artculture.config.typed_text import AsTyped
from artculture.utils.errors import InputError
from artculture.utils.visible_text import visible


class DashboardConfig(Section):
    """Config of `artculture dashboard`."""

    study: Study
    entity: Annotated[str | None, AsTyped()]
    project: Annotated[str | None, AsTyped()]
    registry: Annotated[str | None, AsTyped()]
    plan: bool


def run(argv: list[str]) -> int:
    return run_app("dashboard", DashboardConfig, dashboard, argv)


def dashboard(config: DashboardConfig) -> int:
    if find_spec("wandb_workspaces") is None:
        raise InputError("artculture dashboard needs wandb-workspaces: pip install 'artculture[dashboard]'")
    from artculture.report.dashboard.saving import link_best, save_dashboard, specification
    from artculture.report.dashboard.tracked_study import tracked_study
    from artculture.utils.io import json_text
    from artculture.utils.logging import configure_logging

    configure_logging()
    study = tracked_study(
        Path(config.study.root) / config.study.name, config.entity, config.project, config.study.title
    )
    if config.plan:
        sys.stdout.write(json_text(specification(study), indent=2, ensure_ascii=True) + "\n")
        return 0
    lines = list(save_dashboard(study).values())
    if config.registry is not None:
        lines.append(f"{link_best(study, config.registry)} is linked to {config.registry}")
    sys.stdout.write(visible("".join(f"{line}\n" for line in lines)))
    return 0
