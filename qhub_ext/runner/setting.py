"""What a cell finds around it and leaves behind: checks, inputs, context before; variables after. Runs in the job kernel."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import CaptureError, JobFolderError, QhubError
from qhub_ext.job.context import ExecutionContext, enter
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import read_json_or_none, write_json
from qhub_ext.jobfolder.journal import JournalWriter, append_once
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import require_own
from qhub_ext.runner.here_job import HereJob

if TYPE_CHECKING:
    from qhub_ext.job.calibration import Snapshot


@dataclass
class Harvest:
    """What came back by name. `disk_full` tells that the rest would have."""

    variables: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    disk_full: bool = False


def restore_inputs(folder: JobFolder, attempt: AttemptFolder, namespace: dict[str, Any]) -> list[str]:
    """Puts the captured names into the namespace; returns notes about packages that differ.

    Only from the user's own folder, and only when the versions that pickles depend on are the same: compared before anything
    is loaded, because other versions load wrong values, or none, with messages that help nobody.
    """
    require_own(folder)
    from qhub_ext.capture.manifest import Manifest, read_manifest
    from qhub_ext.capture.mismatch import compare, refuse, verdict_of
    from qhub_ext.capture.runtime import place_record
    from qhub_ext.capture.search_path import add_folders

    captured = read_json_or_none(folder.runtime)
    has_inputs = (folder.inputs / "manifest.json").exists()  # a cell that needs nothing has none
    manifest = read_manifest(folder.inputs) if has_inputs else Manifest()
    captured = captured or {"python": manifest.python, "packages": manifest.packages}
    add_folders(captured.get("own_path"))
    here = place_record()
    if not captured.get("platform"):
        captured = {**captured, "platform": here["platform"]}
    differences = compare(captured, here, loads=bool(manifest.names))
    drift = {"verdict": verdict_of(differences), "differences": [d.to_json() for d in differences]}
    if qos := os.environ.get("SLURM_JOB_QOS"):
        here["qos"] = qos
    with contextlib.suppress(OSError):  # a full disk costs the record and not the job
        write_json(attempt.runtime, {**here, "drift": drift})
    refuse(differences)
    if manifest.names:
        from qhub_ext.capture.thaw import thaw

        thaw(folder.inputs, namespace)
    return [difference.sentence for difference in differences]


def enter_context(spec: JobSpec, folder: JobFolder, attempt: AttemptFolder) -> None:
    enter(
        ExecutionContext(
            tier=spec.tier,
            device=spec.device,
            shots=spec.shots,
            seed=spec.seed,
            memory_mb=spec.memory_mb,
            cpus=spec.cpus,
            job_id=spec.id,
            site=spec.site,
            profile=spec.profile,
            record=task_recorder(attempt),
            announce=device_announcer(attempt, folder.journal(f"kernel-{attempt.number}")),
            pin=snapshot_keeper(folder, attempt),
            shelf=folder.bundle_root.parent,
            drawn_seed=_drawn_seed(spec),
            pinned=_pinned(spec, folder),
        )
    )


def _drawn_seed(spec: JobSpec) -> int | None:
    """Each element of an array has its own."""
    if spec.drawn_seed is None or spec.element is None:
        return spec.drawn_seed
    from qhub_ext.tiers.seeds import derive_seed

    return derive_seed(spec.drawn_seed, b"element", spec.element.index.to_bytes(8, "little"))


def _pinned(spec: JobSpec, folder: JobFolder) -> tuple[str, Path] | None:
    """Raises JobFolderError where the snapshot that the job has to run under is gone."""
    if not spec.snapshot:
        return None
    from qhub_ext.jobfolder.calibrations import find_pinned

    return spec.device, find_pinned(folder, spec.snapshot)


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


def device_announcer(attempt: AttemptFolder, told: Path | None = None) -> Callable[[dict[str, Any]], None]:
    """Writes each step of a task on a device, on the disk when it returns: what was sent is known whatever happens next.

    A wait at the device goes into the job's journal `told` as well: whoever looks at the job sees that it is not the site that it waits for.
    """
    waiting, writing = False, threading.Lock()
    journal: JournalWriter | None = None

    def announce(step: dict[str, Any]) -> None:
        nonlocal waiting, journal
        with writing:  # tasks of several threads take turns; opened once, because opening reads what is there
            if journal is None:
                attempt.tasks.mkdir(mode=0o700, exist_ok=True)
                journal = JournalWriter(attempt.device_journal)
            journal.append("task", **step)
            journal.sync()
        words = str(step.get("waiting") or "")
        if told is not None and (words or waiting):
            phase = {"phase": "device", "text": words} if words else {"phase": "node", "text": ""}
            append_once(told, "phase", attempt=attempt.number, **phase)
        waiting = bool(words)

    return announce


def snapshot_keeper(
    folder: JobFolder, attempt: AttemptFolder
) -> Callable[[Snapshot, Callable[[], Mapping[str, Any]]], None]:
    """Puts each snapshot that a task runs under onto the shelf and into the job folder, once; the first is the one at the start."""
    kept: set[str] = set()

    def keep(snapshot: Snapshot, document: Callable[[], Mapping[str, Any]]) -> None:
        if snapshot.id in kept:
            return
        from qhub_ext.jobfolder.calibrations import CalibrationStore

        # a full disk, or a shelf that may only be read, costs the copy and not the job: its id is in the task's record
        with contextlib.suppress(OSError):
            store = CalibrationStore(folder.bundle_root.parent)
            store.pin(store.put(snapshot, document), folder)
            if not kept:
                told = {"moment": "start", "attempt": attempt.number, "id": snapshot.id, "taken_at": snapshot.taken_at}
                append_once(folder.journal(f"kernel-{attempt.number}"), "snapshot", **told)
        kept.add(snapshot.id)

    return keep


def show_figures() -> None:
    """A figure that came with the inputs is a picture, as in its notebook. There it was pyplot, when it was imported, that
    taught the kernel to show figures; a pickle brings the figure without it.
    """
    if "matplotlib" in sys.modules:
        with contextlib.suppress(ImportError):  # it comes with ipykernel; without it a figure is a line of text
            import_module("matplotlib_inline.backend_inline")


def harvest(spec: JobSpec, folder: JobFolder, cell: str, attempt: AttemptFolder, namespace: dict[str, Any]) -> Harvest:
    """Freezes the names that come back: those asked for, or all that the cell binds or changed. Also after an error: what
    exists then.
    """
    found = Harvest()
    gone: dict[str, str] = {}
    wanted = _wanted(spec, folder, cell, namespace, found.notes, gone)
    if not wanted and not gone:
        return found
    from qhub_ext.capture.freeze import freeze
    from qhub_ext.capture.values import left_behind

    try:
        frozen = freeze(
            wanted,
            namespace,
            limit_mb=spec.variable_limit_mb,
            main=namespace,
            setting="limits.variable_mb",
            back=True,
        )
        if spec.kind != "script" or spec.outputs is not None:  # nobody waits for all that a script leaves behind
            found.notes += [left_behind(name, why) for name, why in frozen.failed.items()]
        found.notes += frozen.manifest.notes
        frozen.failed.update(gone)
        frozen.write(attempt.variables)
        found.variables = frozen.manifest.asked
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        found.disk_full = True
        found.notes.append(f"The variables {', '.join(wanted)} did not come back: {error.strerror}.")
    return found


def _wanted(
    spec: JobSpec, folder: JobFolder, cell: str, namespace: dict[str, Any], notes: list[str], gone: dict[str, str]
) -> list[str]:
    """`gone` gets the names that went along and are no more, or were asked for and never were."""
    from qhub_ext.capture.values import left_behind

    if spec.outputs is not None:
        missing = [name for name in spec.outputs if name not in namespace]
        had = _came_along(folder) if missing else set()
        gone |= {name: "the cell deleted it" if name in had else "the cell has not set it" for name in missing}
        notes += [left_behind(name, why) for name, why in gone.items()]
        return [name for name in spec.outputs if name in namespace]
    from qhub_ext.capture.names import KERNEL_NAMES, analyse, names_of_with

    if spec.kind == "notebook":  # all that it leaves behind
        return sorted(n for n, value in namespace.items() if n not in KERNEL_NAMES and _stays(n, value))
    try:
        names = analyse(cell, namespace)
        opened = names_of_with(cell)
    except CaptureError:  # it could not be read, so it bound nothing
        return []
    if names.deletes - namespace.keys():
        gone |= dict.fromkeys((names.deletes & _came_along(folder)) - namespace.keys(), "the cell deleted it")
    # what it bound, and what it may have changed of the names that came along
    wanted = {n for n in names.returns - KERNEL_NAMES if n in namespace and _stays(n, namespace[n])}
    wanted = {n for n in wanted if not _is_over(namespace[n], by_with=n in opened)}
    perhaps = wanted & names.mutates
    if perhaps and (folder.inputs / "manifest.json").exists():
        from qhub_ext.capture.unchanged import unchanged

        try:
            wanted -= unchanged(perhaps, folder.inputs, namespace)
        except QhubError as error:  # then all of them come back
            notes.append(f"Whether {', '.join(sorted(perhaps))} changed could not be told: {error.message}")
    return sorted(wanted)


def _came_along(folder: JobFolder) -> set[str]:
    from qhub_ext.capture.manifest import read_manifest

    try:
        return set(read_manifest(folder.inputs).asked)
    except JobFolderError:  # nothing did, or the cell took it away
        return set()


def _stays(name: str, value: Any) -> bool:
    return not name.startswith("_") and not _imported(value) and not isinstance(value, HereJob)


def _is_over(value: Any, *, by_with: bool) -> bool:
    """A file that was closed, or what a `with` statement has left: nobody misses it."""
    from qhub_ext.capture.stays import why_it_stays

    return why_it_stays(type(value)) is not None and (by_with or getattr(value, "closed", False) is True)


def _imported(value: Any) -> bool:
    """A module, or a function or class of one: the notebook can import it as well."""
    if isinstance(value, (ModuleType, BuiltinFunctionType)):
        return True
    return isinstance(value, (type, FunctionType)) and value.__module__ != "__main__"


def go_to_directory(spec: JobSpec) -> list[str]:
    """Enters the directory of submission; returns a note when that is not possible here."""
    target = Path(spec.directory).expanduser()
    try:
        os.chdir(target)
    except OSError as error:
        os.chdir(Path.home() if Path.home().is_dir() else "/")
        notes = [f"The directory {target} cannot be entered here ({error.strerror}); the cell ran in {os.getcwd()}."]
    else:
        notes = []
    os.environ["PWD"] = os.getcwd()  # as a shell would say it, and what the site's shell said is the job folder
    return notes
