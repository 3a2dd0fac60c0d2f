"""What a repository's visitors and services read: licence, citation, CI, pre-commit, container image."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "README.md"])
def test_links_to_files_of_the_repository_lead_somewhere(name):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_licence_is_the_declared_one():
    assert (ROOT / "LICENSE").read_text().startswith(f"{PROJECT['license']} License")
    assert PROJECT["authors"][0]["name"] in (ROOT / "LICENSE").read_text()


def test_the_citation_has_the_required_keys_and_the_project_s_facts():
    citation = read_yaml("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    stated = (citation["title"], citation["version"], citation["license"], citation["repository-code"])
    assert stated == (PROJECT["name"], PROJECT["version"], PROJECT["license"], PROJECT["urls"]["Repository"])
    (paper,) = citation["references"]
    assert paper["title"] == "Art Cultural Classification with Deep Neural Networks"
    assert [author["given-names"] for author in paper["authors"]] == ["Zhenbang", "Zhenjia"]


def test_the_changelog_lists_what_is_unreleased():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_run_make_targets_and_tests_that_exist(file):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step.get("run", "") for step in steps)
    assert {"lint", "test"} <= set(re.findall(r"make ([a-z-]+)", commands)) <= targets
    assert [path for path in re.findall(r"tests/\S+\.py", commands) if not (ROOT / path).is_file()] == []


def test_ci_runs_every_python_that_is_declared():
    declared = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert read_yaml(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == declared
    assert PROJECT["requires-python"] == f">={declared[0]}"


def test_pre_commit_has_the_pinned_ruff():
    hooks = {repo["repo"]: repo for repo in read_yaml(".pre-commit-config.yaml")["repos"]}
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert hooks["https://github.com/astral-sh/ruff-pre-commit"]["rev"] == f"v{pins['ruff']}"


def test_the_hashes_are_of_the_pinned_versions():
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    text = (ROOT / "constraints-hashes.txt").read_text()
    name = r"^([\w.-]+)(?:\[[^\]]*\])?=="
    blocks = dict(re.findall(name + r"([^\n]+(?:\n +--hash=\S+[ \\]*)+)", text, re.MULTILINE))
    hashed = {package: block.split()[0] for package, block in blocks.items()}
    assert len(blocks) == len(re.findall(name, text, re.MULTILINE))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks.values())
    # Those of other platforms are pinned by the hashes alone.
    assert {package: hashed.get(package) for package in pins} == pins
    assert "://" not in text


@pytest.mark.parametrize("file", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda file: file.name)
def test_forms_and_bots_are_yaml(file):
    assert isinstance(yaml.safe_load(file.read_text()), dict)


def test_the_image_is_built_from_what_exists_and_starts_the_command():
    instructions = re.findall(r"^([A-Z]+) (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    copied = [word for verb, text in instructions if verb == "COPY" for word in text.split()[:-1]]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert set(copied) == set(kept)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    arguments = dict(text.split("=") for verb, text in instructions if verb == "ARG")
    assert arguments["TORCH_BACKEND"] == "cpu"
    assert set(arguments["EXTRAS"].split(",")) <= PROJECT["optional-dependencies"].keys()
    assert ("ENTRYPOINT", '["artculture"]') in instructions
    module, _, function = PROJECT["scripts"]["artculture"].partition(":")
    assert callable(getattr(import_module(module), function))
