"""Ensembles of a study, each in a run directory: made, updated where its members changed, or skipped."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artculture.config.schema.ensemble import EnsembleConfig
from artculture.evaluation.ensembling import greedy_selection, mean_logits, scorer
from artculture.evaluation.uncertainty import networks_uncertainty
from artculture.models.checkpoint import read_checkpoint
from artculture.models.ensemble import MemberCheckpoint, ensemble_content
from artculture.models.tensor_files import save_whole
from artculture.models.uncertainty import UNCERTAINTY, Typicality, Uncertainty, uncertainty_of
from artculture.studies.ensembles.members import Member, find_members, grouped
from artculture.studies.ensembles.outcome import (
    conformal_part,
    names_of,
    paintings_of,
    predictions_and_scores,
    provenance,
    seed_of,
    variant_of,
)
from artculture.studies.ensembles.soup import averaged_network, choose_soup
from artculture.training.identity import joined_name
from artculture.training.run_directory import ENSEMBLE, RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.io import write_json
from artculture.utils.progress import Progress
from artculture.utils.spreadsheets import write_csv

log = logging.getLogger(__name__)

# The name of the method in a table of results.
METHOD = "ensemble"
# Logits of the paintings, weight by member, content of the checkpoint, and typicality of each network.
Made = tuple[NDArray[np.float64], dict[str, float], dict[str, Any], list[Typicality]]


def make_ensembles(config: EnsembleConfig, on_progress: Progress | None = None) -> list[RunDirectory]:
    """Make an ensemble of each group of runs that may be averaged; return their directories.

    Raises:
        InputError: runs that can't be averaged, or a run directory of another kind in the way.
    """
    study = Path(config.study.root) / config.study.name
    wanted = [config.members] if isinstance(config.members, str) else config.members
    groups = grouped(find_members(study, wanted), config.kind == "soup", all_of_them=wanted is not None)
    directories: dict[Path, list[Member]] = {}
    for group in groups:
        variant = variant_of(group, config.kind, wanted)
        network = [names_of(group, "architecture")] if config.kind == "soup" else []
        path = study / joined_name([METHOD, variant[0], *network, *variant[1:]], seed_of(group))
        if path in directories:
            names = ", ".join(member.name for member in [*directories[path], *group])
            raise InputError(f"two ensembles would be one row of the table: choose one of them by members=… ({names})")
        directories[path] = group
    for path, group in directories.items():
        _make(RunDirectory(path), group, config, wanted, on_progress)
    return [RunDirectory(path) for path in directories]


def _make(
    directory: RunDirectory,
    members: Sequence[Member],
    config: EnsembleConfig,
    wanted: Sequence[str] | None,
    on_progress: Progress | None,
) -> None:
    values = _stored_config(members, config, wanted)
    before = directory.read_config()
    if before is not None and ENSEMBLE not in before:
        raise InputError(f"{directory.path} is a run that was trained; train it under another study.name=…")
    if before == values and directory.status()["state"] == "finished" and directory.result.is_file():
        log.info("%s is made of the same %d runs: skipped", directory.path, len(members))
        return
    started = time.time()
    make = _soup if config.kind == "soup" else _mean
    logits, used, content, networks = make(members, config, on_progress)
    predictions, scores = predictions_and_scores(members, logits, config.trust)
    content["artculture"]["temperature"] = scores["temperature"]
    (conformal, labels), sets = conformal_part(members, predictions)
    content[UNCERTAINTY] = Uncertainty(conformal, networks, labels).as_tensors()
    result = {
        "run": directory.path.name,
        "study": config.study.name,
        "architecture": names_of(members, "architecture"),
        "scheduler": names_of(members, "scheduler"),
        "method": METHOD,
        "variant": " ".join(variant_of(members, config.kind, wanted)),
        "seed": seed_of(members),
        **scores,
        **sets,
        **provenance(members, used, config.kind),
    }
    directory.make()
    with directory.lock():
        directory.clear()
        directory.write_config(values)
        directory.set_status("running", started=started)
        write_csv(members[0].split, directory.split)
        write_csv(predictions, directory.predictions)
        save_whole(content, directory.best)
        write_json(directory.result, result)
        done = {"tested": True, "sha256": directory.checksums(), "val_top1": result["val_top1"]}
        directory.set_status("finished", finished=time.time(), **done)
    shown = ", ".join(f"{name} {weight:.2f}" for name, weight in used.items())
    log.info("%s of %d of %d runs: %s", directory.path.name, len(used), len(members), shown)


def _stored_config(members: Sequence[Member], config: EnsembleConfig, wanted: Sequence[str] | None) -> dict[str, Any]:
    """Return the config of an ensemble's directory: what was asked for, its members, and what reads their data."""
    first = members[0].config
    study = {"name": config.study.name, "title": config.study.title, "root": config.study.root}
    return {
        ENSEMBLE: {
            "kind": config.kind,
            "metric": config.metric,
            "rounds": config.rounds,
            "members": None if wanted is None else list(wanted),
            "sha256": {member.name: member.sha256 for member in members},
        },
        "architecture": {"name": names_of(members, "architecture")},
        "scheduler": {"name": names_of(members, "scheduler")},
        "method": {"name": METHOD},
        "data": first["data"],
        "trainer": {key: first["trainer"][key] for key in ("eval_batches", "deterministic")},
        "study": study,
        "seed": seed_of(members),
    }


def _mean(members: Sequence[Member], config: EnsembleConfig, _: Progress | None) -> Made:
    """Average calibrated probabilities."""
    paintings, labels = paintings_of(members)
    probabilities = [member.probabilities(paintings) for member in members]
    counts = [1] * len(members)
    if config.kind == "greedy":
        val = (paintings["split"] == "val").to_numpy()
        chances = [one[val] for one in probabilities]
        counts = greedy_selection(chances, labels[val], scorer(config.metric), config.rounds)
    chosen = [number for number, count in enumerate(counts) if count]
    used = {members[number].name: counts[number] / sum(counts) for number in chosen}
    logits = mean_logits([probabilities[number] for number in chosen], list(used.values()))
    parts = [
        MemberCheckpoint(member.name, used[member.name], member.directory.best, read_checkpoint(member.directory.best))
        for member in members
        if member.name in used
    ]
    classes = len(members[0].classes)
    known = [uncertainty_of(part.content, part.path, classes) for part in parts]
    return logits, used, ensemble_content(parts), networks_uncertainty(known)


def _soup(members: Sequence[Member], config: EnsembleConfig, on_progress: Progress | None) -> Made:
    """Average weights."""
    paintings, labels = paintings_of(members)
    val, score = (paintings["split"] == "val").to_numpy(), scorer(config.metric)
    ordered = sorted(members, key=lambda one: score(one.probabilities(paintings)[val], labels[val]), reverse=True)
    network = averaged_network(ordered, config.device, config.trust, on_progress)
    chosen = choose_soup(network, score)
    used = {ordered[number].name: 1 / len(chosen) for number in chosen}
    return network.logits(network.rows_of(paintings)), used, network.content(), [network.typicality()]
