"""What a cell finds around it and leaves behind: checks, inputs, context before; variables after. Runs in the job kernel."""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from qhub_ext.errors import EnvironmentMismatchError
from qhub_ext.job.context import ExecutionContext, enter
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import read_json_or_none, write_json
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import require_own

# what pickles depend on, and how much of the version counts
_MATTERS = {"cloudpickle": 1, "qiskit": 2}

SCRATCH = {"In", "Out", "exit", "quit", "get_ipython", "open"}


@dataclass
class Harvest:
    """What came back by name. `disk_full` tells that the rest would have."""

    variables: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    disk_full: bool = False


def require_matching_environment(captured: dict[str, Any], *, python: str = "", mend: str = "") -> None:
    """Compares before anything is unpickled: other versions load wrong values, or none, with messages that help nobody."""
    wanted = _short(str(captured.get("python", "")), 2)
    here = _short(python or platform.python_version(), 2)
    differs = [f"Python {wanted} (here: {here})"] if wanted and wanted != here else []
    packages = captured.get("packages") or {}
    for name, parts in _MATTERS.items():
        if not packages.get(name):
            continue
        theirs = _short(str(packages[name]), parts)
        try:
            ours = metadata.version(name)
        except metadata.PackageNotFoundError:
            differs.append(f"{name} {packages[name]} (here: not installed)")
            continue
        if _short(ours, parts) != theirs:
            differs.append(f"{name} {packages[name]} (here: {ours})")
    if differs:
        pins = " ".join(f"{name}=={packages[name]}" for name in _MATTERS if packages.get(name))
        raise EnvironmentMismatchError(
            f"The values of this cell were captured with {', '.join(differs)}, and are not loaded with anything else.",
            advice=f"Submit from the environment that runs the job, or mend that one: {sys.executable} -m pip install {pins}."
            if wanted == here
            else f"Submit from a kernel of Python {here}, or let the job run with Python {wanted}.",
        )


def restore_inputs(folder: JobFolder, namespace: dict[str, Any]) -> None:
    """Puts the captured names into the namespace, from the user's own folder only."""
    manifest = read_json_or_none(folder.inputs / "manifest.json")
    if not manifest or not manifest.get("names"):
        return
    require_own(folder)
    runtime = read_json_or_none(folder.runtime) or {}
    packages = {**(runtime.get("packages") or {}), **(manifest.get("packages") or {})}
    require_matching_environment({"python": manifest.get("python") or runtime.get("python", ""), "packages": packages})
    from qhub_ext.capture.freeze import thaw

    thaw(folder.inputs, namespace)


def enter_context(spec: JobSpec, attempt: AttemptFolder) -> None:
    enter(
        ExecutionContext(
            tier=spec.tier,
            device=spec.device,
            shots=spec.shots,
            seed=spec.seed,
            memory_mb=spec.memory_mb,
            cpus=spec.cpus,
            job_id=spec.id,
            record=task_recorder(attempt),
        )
    )


def task_recorder(attempt: AttemptFolder) -> Callable[[dict[str, Any]], None]:
    """Writes tasks/0001.json, 0002.json ... as quantum tasks finish. A forked child numbers its own apart."""
    count = 0

    def record(task: dict[str, Any]) -> None:
        nonlocal count
        attempt.tasks.mkdir(mode=0o700, exist_ok=True)
        while True:
            count += 1
            if write_json(attempt.tasks / f"{count:04d}.json", task, exclusive=True):
                return

    return record


def harvest(spec: JobSpec, cell: str, attempt: AttemptFolder, namespace: dict[str, Any]) -> Harvest:
    """Freezes the names that come back: those asked for, or all that the cell binds. Also after an error: what exists then."""
    found = Harvest()
    wanted = _wanted(spec, cell, namespace, found.notes)
    if not wanted:
        return found
    from qhub_ext.capture.freeze import freeze

    try:
        frozen = freeze(wanted, namespace, limit_mb=spec.variable_limit_mb, main=namespace)
        found.notes += [f"{name} did not come back: {why}" for name, why in frozen.failed.items()]
        frozen.write(attempt.variables)
        found.variables = tuple(name for name in wanted if name not in frozen.failed)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        found.disk_full = True
        found.notes.append(f"The variables {', '.join(wanted)} did not come back: {error.strerror}.")
    return found


def _wanted(spec: JobSpec, cell: str, namespace: dict[str, Any], notes: list[str]) -> list[str]:
    if spec.outputs is not None:
        missing = [name for name in spec.outputs if name not in namespace]
        notes += [f"{name} did not come back: the cell has not set it." for name in missing]
        return [name for name in spec.outputs if name in namespace]
    from qhub_ext.capture.names import analyse

    try:
        writes = analyse(cell, namespace).writes
    except SyntaxError:
        return []
    return sorted(
        name
        for name in writes
        if name in namespace and not name.startswith("_") and name not in SCRATCH and not _imported(namespace[name])
    )


def _imported(value: Any) -> bool:
    if isinstance(value, ModuleType):
        return True
    return isinstance(value, (type, FunctionType)) and value.__module__ != "__main__" or _is_builtin(value)


def _is_builtin(value: Any) -> bool:
    return type(value).__name__ in ("builtin_function_or_method", "ufunc")


def go_to_directory(spec: JobSpec) -> str:
    """Enters the directory of submission; returns a note when that is not possible here."""
    target = Path(spec.directory).expanduser()
    try:
        os.chdir(target)
    except OSError as error:
        os.chdir(Path.home() if Path.home().is_dir() else "/")
        return f"The directory {target} cannot be entered here ({error.strerror}); the cell ran in {os.getcwd()}."
    return ""


def _short(version: str, parts: int) -> str:
    return ".".join(version.split(".")[:parts])
