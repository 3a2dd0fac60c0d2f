"""What a machine has: versions, extras, devices, services that answer."""

import platform
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from packaging.requirements import Requirement

from artculture.utils.hardware import cores, cpu_flags, cpu_name, total_memory
from artculture.utils.text import size_text

PACKAGES = (
    "artculture",
    "torch",
    "torchvision",
    "lightning",
    "timm",
    "hydra-core",
    "torchmetrics",
    "wandb",
    "pillow",
    "pandas",
)
# What the speed of a CPU depends on most.
FLAGS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
LOW_DISK_BYTES = 5e9


@dataclass(frozen=True)
class Finding:
    """A line of the diagnosis.

    Attributes:
        name, value: what is stated.
        fix: what to do about it; empty where all is well.
    """

    name: str
    value: str
    fix: str = ""


def versions() -> Iterator[Finding]:
    """Yield the versions of Python and of the packages that results depend on."""
    yield Finding("Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for name in PACKAGES:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "not installed", f"pip install {name}")


def extras() -> Finding:
    """Return which optional parts of the package are installed."""
    names = [name for name in metadata("artculture").get_all("Provides-Extra") or [] if name not in ("dev", "docs")]
    present = [name for name in names if all(_installed(package) for package in _packages_of(name))]
    missing = sorted(set(names) - set(present))
    return Finding("extras", f"{', '.join(present) or 'none'}; not installed: {', '.join(missing) or 'none'}")


def _packages_of(extra: str) -> list[str]:
    found = [Requirement(text) for text in requires("artculture") or []]
    return [
        one.name for one in found if one.marker and one.marker.evaluate({"extra": extra}) and one.name != "artculture"
    ]


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def processor() -> Finding:
    """Return the name of the CPU, its cores and the instructions that training uses."""
    flags = [flag for flag in FLAGS if flag in cpu_flags()]
    return Finding("CPU", f"{cpu_name()}, {cores()} cores{', ' + ' '.join(flags) if flags else ''}")


def memory() -> Finding:
    """Return the main memory of the machine."""
    total = total_memory()
    return Finding("memory", "unknown" if total is None else size_text(total))


def disk(what: str, folder: Path) -> Finding:
    """Return the free space of the file system that a folder is or would be on."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    fix = "free disk space: checkpoints and decoded pictures take gigabytes" if free < LOW_DISK_BYTES else ""
    return Finding(f"free disk of {what}", size_text(free), fix)


def services(addresses: Mapping[str, str], timeout: float) -> list[Finding]:
    """Return which services answer; any HTTP answer counts.

    Args:
        addresses: name to URL.
        timeout: seconds.
    """
    with ThreadPoolExecutor(max_workers=len(addresses) or 1) as pool:
        return list(pool.map(lambda name: _service(name, addresses[name], timeout), addresses))


def _service(name: str, address: str, timeout: float) -> Finding:
    host = urlsplit(address).netloc.rpartition("@")[2]  # without a user and password
    try:
        answer = httpx.get(address, timeout=timeout, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(name, f"{host} does not answer ({type(error).__name__})", f"{name} needs a connection to {host}")
    return Finding(name, f"{host} answers ({answer.status_code})")
