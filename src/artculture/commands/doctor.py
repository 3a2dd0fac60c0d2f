"""`artculture doctor`: what this machine has, how fast it is, and what to fix."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from pydantic import PositiveFloat

from artculture.config.composition import run_app
from artculture.config.schema.section import Section
from artculture.config.typed_text import UserPath
from artculture.config.validation import config_folder
from artculture.utils.diagnosis import Finding, disk, extras, memory, processor, services, versions
from artculture.utils.text import size_text
from artculture.utils.visible_text import visible


class DoctorConfig(Section):
    """Config of `artculture doctor`."""

    network: bool
    speed: bool
    timeout: PositiveFloat
    cache: UserPath


def run(argv: list[str]) -> int:
    return run_app("doctor", DoctorConfig, doctor, argv)


def doctor(config: DoctorConfig) -> int:
    findings = _show("Versions", [*versions(), extras()])
    findings += _show("Machine", [processor(), memory(), *_accelerators(), disk("the current folder", Path.cwd())])
    if config.speed:
        findings += _show("Speed", _speed())
    findings += _show("Precision of trainer.precision=auto on this CPU", _choices(config.cache))
    findings += _show("Caches", _caches(config.cache))
    if config.network:
        findings += _show("Services", services(_addresses(), config.timeout))
    fixes = list(dict.fromkeys(finding.fix for finding in findings if finding.fix))
    sys.stdout.write("\n" + ("To fix:\n" + "".join(f"  {fix}\n" for fix in fixes) if fixes else "Nothing to fix.\n"))
    return 0


def _show(title: str, findings: Iterable[Finding]) -> list[Finding]:
    sys.stdout.write(f"\n{title}\n")
    shown = []
    for finding in findings:
        sys.stdout.write(visible(f"  {finding.name:<26} {finding.value}{'  <- to fix' if finding.fix else ''}\n"))
        sys.stdout.flush()
        shown.append(finding)
    return shown


def _accelerators() -> Iterator[Finding]:
    import torch

    from artculture.utils.hardware import best_precision, cpu_has_amx, cpu_has_bf16, real_accelerator, visible_gpus

    accelerator = real_accelerator("auto")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Finding(f"GPU {index}", f"{properties.name}, {size_text(properties.total_memory)}")
    if visible_gpus() and accelerator != "gpu":
        yield Finding(
            "GPU", "visible to the driver, not to PyTorch", "install a PyTorch build for CUDA: pytorch.org/get-started"
        )
    compared = accelerator == "cpu" and cpu_has_bf16() and not cpu_has_amx()
    precision = "chosen for each architecture, below" if compared else best_precision(accelerator)
    yield Finding("trainer=auto", f"{accelerator}, precision {precision}")


def _speed() -> Iterator[Finding]:
    from artculture.training.machine_speed import decoding_rate, training_rates

    yield Finding("decoding", f"{decoding_rate():.0f} JPEGs of 800 x 600 px per second and core, resized to 256 px")
    rates = training_rates()
    fastest = max(rates, key=lambda name: rates[name])
    for name, rate in rates.items():
        mark = " (fastest)" if name == fastest else ""
        yield Finding(name, f"{rate:.0f} images per second, training steps of ResNet-18 at 128 px{mark}")


def _choices(cache: str) -> Iterator[Finding]:
    from artculture.data.cache.folder import cache_folder
    from artculture.training.numeric_choice import known_choices

    found = False
    for shown, choice in known_choices(cache_folder(cache)):
        found = True
        slowest = max(choice.seconds.values(), default=0.0)
        rates = ", ".join(f"{name} {slowest / seconds:.2f}" for name, seconds in choice.seconds.items())
        yield Finding(str(choice.format), f"{shown} ({f'relative speed: {rates}' if rates else 'nothing to compare'})")
    if not found:
        yield Finding("none yet", "the first run of an architecture chooses")


def _caches(cache: str) -> Iterator[Finding]:
    from artculture.data.cache.folder import cache_folder
    from artculture.data.cache.inventory import KINDS, cache_entries

    folder = cache_folder(cache)
    entries = cache_entries(folder)
    for kind, what in KINDS.items():
        sizes = [entry.size for entry in entries if entry.kind == kind]
        if sizes:
            yield Finding(kind, f"{size_text(sum(sizes))} in {len(sizes)} ({what}); artculture clean deletes them")
    if not entries:
        yield Finding("artculture", "empty")
    yield disk("the cache", folder)


def _addresses() -> dict[str, str]:
    """Name to address of what the commands connect to."""
    found = {
        "Weights & Biases": os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai",
        "Hugging Face Hub": os.environ.get("HF_ENDPOINT") or "https://huggingface.co",
    }
    for file in sorted((config_folder() / "source").glob("*.yaml")):
        source = yaml.safe_load(file.read_text(encoding="utf-8"))
        if source["base_url"] not in found.values():
            found[f"source={file.stem}"] = source["base_url"]
    return found
