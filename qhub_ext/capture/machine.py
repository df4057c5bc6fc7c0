"""What a process runs on: operating system, CPU, GPUs, loaded modules, container. Read from files; nothing is started for it."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OS_RELEASE = Path("/etc/os-release")
_CPUINFO = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia")
_PODMAN = Path("/run/.containerenv")
_DOCKER = Path("/.dockerenv")
IMAGE = "QHUB_CONTAINER_IMAGE"
"""Set where a tier's container is started by its image's name or digest."""


def machine_record() -> dict[str, Any]:
    """Of this host; the same for all processes of it."""
    return dict(_machine())


@functools.cache
def _machine() -> dict[str, Any]:
    return {
        "os": _os_name(),
        "kernel": platform.release(),
        "libc": _libc(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count() or 1,
        "gpus": _gpu_models(),
    }


def _os_name() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', _OS_RELEASE.read_text("utf-8", "replace"), re.MULTILINE)
        if found:
            return found[1]
    return platform.system()


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):  # another C library
        return ""


def _cpu_model() -> str:
    with contextlib.suppress(OSError), _CPUINFO.open(errors="replace") as file:
        head = file.read(8192)  # the first processor's; a large node has a megabyte of them
        found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", head, re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.machine()


def _gpu_models() -> list[str]:
    """NVIDIA's, as their driver tells them, and the driver's version at the end."""
    models = []
    with contextlib.suppress(OSError):
        for card in sorted(os.listdir(_GPUS / "gpus")):
            text = (_GPUS / "gpus" / card / "information").read_text("utf-8", "replace")
            models += [match.strip() for match in re.findall(r"^Model:\s*(.+)$", text, re.MULTILINE)]
    if models:
        with contextlib.suppress(OSError):
            found = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", (_GPUS / "version").read_text("utf-8"))
            models += [f"driver {found[1]}"] if found else []
    return models


def loaded_modules(environment: Mapping[str, str]) -> list[str]:
    """Environment modules (Lmod, Tcl), in the order in which they were loaded."""
    return [name for name in environment.get("LOADEDMODULES", "").split(":") if name]


def container_record(environment: Mapping[str, str]) -> dict[str, str] | None:
    """The engine and the image around this process, with its digest where the engine tells one; None outside of containers."""
    told = environment.get(IMAGE, "")
    digest = (re.search(r"sha256:[0-9a-f]{64}", told) or [""])[0]
    named = told.partition("@")[0]
    for variable in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        if environment.get(variable):
            return {"engine": "apptainer", "image": environment[variable], "digest": digest}
    with contextlib.suppress(OSError):
        inside = dict(re.findall(r'^(\w+)="?([^"\n]*)', _PODMAN.read_text("utf-8", "replace"), re.MULTILINE))
        found = inside.get("imageid", "")  # only containers with all privileges are told
        return {
            "engine": "podman",
            "image": inside.get("image") or named,
            "digest": digest or (f"sha256:{found}" if len(found) == 64 else ""),
        }
    if _DOCKER.exists() or named:
        return {"engine": "docker" if _DOCKER.exists() else "unknown", "image": named, "digest": digest}
    return None
