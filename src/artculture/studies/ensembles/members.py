"""Runs that may be members of an ensemble, and which of them may be averaged with which."""

import fnmatch
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.stored_split import read_split
from artculture.studies.predictions import read_predictions
from artculture.training.run_directory import ENSEMBLE, RunDirectory
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.io import file_sha256

log = logging.getLogger(__name__)

KEY = ["source", "object_id", "split", "culture"]


@dataclass(frozen=True)
class Member:
    """A finished run with the predictions of its validation and test paintings."""

    directory: RunDirectory
    result: dict[str, Any]
    config: dict[str, Any]

    @property
    def name(self) -> str:
        return self.directory.path.name

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.result["classes"])

    @cached_property
    def split(self) -> pd.DataFrame:
        self.directory.check_unchanged(self.directory.split)
        return read_split(self.directory.split, "train the run again with resume=never").table

    @cached_property
    def split_digest(self) -> str:
        """Hash of which painting is in which split, in whichever order."""
        columns = ["source", "object_id", "sha256", "culture", "split"]
        table = self.split[columns].astype(str).sort_values(columns)
        return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        return read_predictions(self.directory.path)

    def probabilities(self, paintings: pd.DataFrame) -> NDArray[np.float64]:
        """Return the calibrated probabilities of paintings, N x classes.

        Args:
            paintings: columns of `KEY`, from the predictions of a run with the same split.

        Raises:
            InputError: this run predicted other paintings.
        """
        own, names = self.predictions, [f"p_{name}" for name in self.classes]
        wanted = pd.MultiIndex.from_frame(paintings[KEY])
        found = pd.MultiIndex.from_frame(own[KEY]).get_indexer(wanted)
        if len(own) != len(paintings) or (found < 0).any() or not set(names) <= set(own):
            raise InputError(
                f"{self.directory.predictions} has other paintings than the runs with the same split: train the run "
                "again with resume=never"
            )
        values: NDArray[np.float64] = own[names].to_numpy(dtype=np.float64)[found]
        return values

    @cached_property
    def sha256(self) -> str:
        """Hash of the checkpoint."""
        return file_sha256(self.directory.best)


def find_members(study: Path, wanted: Sequence[str] | None) -> list[Member]:
    """Return the runs of a study that can take part, by name.

    Args:
        study: the study directory.
        wanted: names of runs or patterns; None for all finished runs.

    Raises:
        InputError: no such study or run, or a wanted run without a result on the test split.
    """
    folders = sorted(path.parent for path in study.glob("*/config.yaml")) if study.is_dir() else []
    configs = {folder: RunDirectory(folder).read_config() or {} for folder in folders}
    runs = [folder for folder in folders if ENSEMBLE not in configs[folder]]
    if not runs:
        raise InputError(f"no runs in {study}; `artculture train study.name={study.name} …` creates runs")
    names = [folder.name for folder in runs]
    for text in wanted or ():
        if not fnmatch.filter(names, text) and text not in names:
            raise InputError(f"members={text}: no such run in {study}; {choices_hint(text, names)}")
    if wanted is not None:
        runs = [run for run in runs if any(run.name == text or fnmatch.fnmatchcase(run.name, text) for text in wanted)]
    lacking = {folder.name: lack for folder in runs if (lack := _lack(RunDirectory(folder)))}
    shown = "; ".join(f"{name}: {lack}" for name, lack in lacking.items())
    if lacking and wanted is not None:
        raise InputError(f"{len(lacking)} of the members can't take part: {shown}")
    if lacking:
        log.info("left out %d run(s): %s", len(lacking), shown)
    finished = [RunDirectory(folder) for folder in runs if folder.name not in lacking]
    return [Member(directory, directory.read_result(), configs[directory.path]) for directory in finished]


def _lack(directory: RunDirectory) -> str:
    """Return what a run lacks to take part; "" if nothing."""
    state = directory.status()["state"]
    if state != "finished" or not directory.result.is_file():
        return str(state) if state != "finished" else "has no result.json"
    if directory.read_result().get("labels"):
        return "it has several labels (data.labels), of which there are no ensembles"
    if "test_top1" not in directory.read_result():
        return "its test split was not evaluated (trainer.evaluate_test=true)"
    files = (directory.best, directory.predictions, directory.split)
    return next((f"has no {file.name}" for file in files if not file.is_file()), "")


def grouped(members: Sequence[Member], soup: bool, *, all_of_them: bool) -> list[list[Member]]:
    """Return the members that may be averaged with one another, group by group.

    A group has one label set and one split: a member of another split was trained on test paintings of the rest. For
    a soup it has one network, too.

    Args:
        members: finished runs.
        soup: whether weights are averaged.
        all_of_them: whether a member without others is an error; else it is left out.

    Raises:
        InputError: no two members may be averaged, or one of them with no other.
    """
    groups: dict[tuple[Any, ...], list[Member]] = {}
    for member in members:
        network = repr(_network(member)) if soup else ""
        groups.setdefault((member.classes, member.split_digest, network), []).append(member)
    alone = [group[0].name for group in groups.values() if len(group) == 1]
    several = [group for group in groups.values() if len(group) > 1]
    if alone and (all_of_them or not several):
        raise InputError(f"{_what_is_needed(members, soup)}; without another one: {', '.join(alone)}")
    if alone:
        log.info("left out %s: no other finished run has its split%s", ", ".join(alone), " and network" * soup)
    if not several:
        raise InputError("an ensemble needs two finished runs or more, and there is none")
    return several


def _network(member: Member) -> list[Any]:
    architecture, method = member.config.get("architecture", {}), member.config.get("method", {})
    named = [architecture.get(key) for key in ("name", "library", "backbone")]
    if method.get("name") == "probe":  # whose head is not that of the config
        head = {key: method.get(key) for key in ("name", "classifier", "stage_statistics")}
    else:
        head = {key: value for key, value in member.config.get("head", {}).items() if key != "dropout"}
    return [*named, head, member.result.get("image_size"), member.config.get("data", {}).get("fit")]


def _what_is_needed(members: Sequence[Member], soup: bool) -> str:
    """Return why members can't be averaged."""
    if len(members) < 2:
        return "an ensemble needs two finished runs or more"
    if len({member.classes for member in members}) > 1:
        sets = {member.classes: member.name for member in members}
        shown = "; ".join(f"{name}: {', '.join(classes)}" for classes, name in sets.items())
        return f"the members of an ensemble need the same classes ({shown})"
    if len({member.split_digest for member in members}) > 1:
        return (
            "the members of an ensemble need the same split, because a run of another split was trained on test "
            "paintings of theirs. A seed draws a split of its own: average rows of one seed, or train the seeds with "
            "data.split_seed=0"
        )
    assert soup
    return "the members of a soup need the same architecture, head and image size"
