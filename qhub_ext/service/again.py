"""The same job once more: its bundle, options and seed in a job of its own. Another tier or device may be asked for."""

from __future__ import annotations

import mmap
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.frozen import Chunk, Frozen
from qhub_ext.capture.manifest import read_manifest
from qhub_ext.capture.names import Names
from qhub_ext.errors import EnvironmentMismatchError, InvalidOptionError, JobFolderError, UserError
from qhub_ext.job.identity import element_id, new_job_id, short_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.calibrations import find_pinned
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import lock_of
from qhub_ext.jobfolder.outcome import read_record, read_spec, require_own
from qhub_ext.jobfolder.runtime import read_runtime
from qhub_ext.service.draft import Draft
from qhub_ext.service.job_device import check_device, resource_title
from qhub_ext.tiers import catalog

if TYPE_CHECKING:
    from qhub_ext.settings import Settings


@dataclass(frozen=True)
class Changes:
    """What is to be different. `snapshot`: `same` runs under the calibration of then, `latest` under the present one; None takes the same
    where the tier simulates and the device stays. `runtime`: `same` builds the environment of the submission where it is not there any
    more, `current` takes this one; None takes the interpreter of then as it is now.
    """

    tier: str | None = None
    device: str | None = None
    snapshot: str | None = None
    runtime: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("snapshot", self.snapshot, SNAPSHOTS), ("runtime", self.runtime, RUNTIMES)):
            if value is not None and value not in known:
                raise InvalidOptionError(
                    f"--{name} {value} is not accepted.", advice=f"It is one of: {', '.join(known)}."
                )


SNAPSHOTS = ("same", "latest")
RUNTIMES = ("same", "current")


def draft_again(folder: JobFolder, settings: Settings, changes: Changes | None = None) -> Draft:
    """Values are taken over unopened, and only from a folder that its owner alone can write.

    Raises UserError for an element of an array: it has no bundle of its own.
    """
    changes = changes or Changes()
    old = read_spec(folder)
    if old.element is not None:
        raise UserError(
            f"{short_id(old.id)} is one element of an array and has no bundle of its own.",
            advice=f"`rerun {short_id(old.element.array_id)}` runs the whole array again.",
        )
    require_own(folder)
    try:
        cell = folder.cell.read_text("utf-8", "surrogatepass")
    except FileNotFoundError:
        raise JobFolderError(f"{folder.path} has lost {folder.cell.name}: it cannot run again.") from None
    runtime = read_runtime(folder.runtime)
    if runtime is None:
        raise JobFolderError(f"{folder.path} has lost {folder.runtime.name}: it cannot run again.")
    spec = _spec(old, settings, changes.tier, changes.device)
    check_device(spec)
    snapshot = _snapshot(folder, old, spec, changes.snapshot)
    spec = replace(spec, snapshot=snapshot, **_runtime(folder, old, spec, runtime, changes.runtime, settings))
    elements = tuple(_element(folder.element(n), spec, n) for n in range(old.size or 0))
    notebook = read_json_or_none(folder.notebook) if old.kind == "notebook" else None
    return Draft(
        *(spec, elements, cell, Names(), _inputs(folder.inputs), runtime, {}),
        notebook=notebook,
        snapshots=(find_pinned(folder, snapshot),) if snapshot else (),
        lock=lock_of(folder),
    )


def _snapshot(folder: JobFolder, old: JobSpec, new: JobSpec, asked: str | None) -> str:
    """The id that the rerun is bound to, "" for none. Raises InvalidOptionError, JobFolderError where it cannot be had."""
    same_device = catalog.resolve(new.device) == catalog.resolve(old.device)
    if asked == "latest" or (asked is None and (new.tier == "qpu" or not same_device)):
        return ""
    if new.tier == "qpu":
        raise InvalidOptionError(
            "--snapshot same is not possible on the tier qpu: a device is as it is now.",
            advice="On --tier emulation the job runs under the calibration of then.",
        )
    if not same_device:
        raise InvalidOptionError(
            f"--snapshot same is a calibration of {old.device}, and the job is to run for {new.device}.",
            advice="Leave --device or --snapshot out.",
        )
    known = old.snapshot or _at_start(folder, old)
    if known:
        find_pinned(folder, known)
    elif asked == "same":
        raise JobFolderError(
            f"Job {short_id(old.id)} ran under no calibration that is known: it had no quantum task.",
            advice="Leave --snapshot out.",
        )
    return known


def _at_start(folder: JobFolder, spec: JobSpec) -> str:
    """The snapshot under which the first task of the latest attempt ran; of an array, of its first element that had one."""
    for one in [folder.element(n) for n in range(spec.size)] if spec.size is not None else [folder]:
        found = read_record(one).snapshots.get("start", "")
        if found:
            return found
    return ""


def _runtime(
    folder: JobFolder, old: JobSpec, new: JobSpec, runtime: dict[str, Any], asked: str | None, settings: Settings
) -> dict[str, Any]:
    """What of the spec says where it runs. Raises EnvironmentMismatchError where that of then is gone, or cannot be built again."""
    from qhub_ext.reproduce.environments import same_interpreter
    from qhub_ext.reproduce.runtimes import launched

    if asked == "same":
        return {"python": same_interpreter(folder, runtime), "launch": None}
    if asked == "current":
        return launched(new.tier, folder, runtime, settings)
    if old.launch is not None and new.tier == old.tier:
        return {}
    if old.launch is not None:
        return launched(new.tier, folder, runtime, settings)
    if old.python and not os.access(old.python, os.X_OK):
        raise EnvironmentMismatchError(
            f"The interpreter of job {short_id(old.id)} is gone: {old.python}.",
            advice="--runtime same builds its environment again from the lock; --runtime current takes this one.",
        )
    return {}


def _spec(old: JobSpec, settings: Settings, tier: str | None, device: str | None) -> JobSpec:
    there = tier or old.tier
    own_name = catalog.resolve(device) if device else catalog.packaged(old.device) or old.device
    elsewhere = there != old.tier and there in settings.sites and "site" not in old.requested
    site = settings.site_of(there) if elsewhere else old.site
    return replace(
        old,
        tier=there,
        site=site,
        device=own_name,
        id=new_job_id(),
        created_at=time.time(),
        after=(),  # what it waited for has happened
        resource=resource_title(there, own_name, site, settings),
        requested={**old.requested, **({"tier": tier} if tier else {}), **({"device": device} if device else {})},
        rerun_of=old.id,
    )


def _element(folder: JobFolder, array: JobSpec, index: int) -> JobSpec:
    old = read_spec(folder)
    assert old.element is not None
    element = replace(old.element, array_id=array.id)
    return replace(array, id=element_id(array.id, index), size=None, element=element)


def _inputs(directory: Path) -> Frozen:
    manifest = read_manifest(directory)
    files = dict.fromkeys(entry.file for entry in manifest.names.values() if entry.file)
    return Frozen(manifest, {name: _chunks(directory / name) for name in files})


def _chunks(path: Path) -> list[Chunk]:
    """The contents of a file, of which nothing is in memory before it is written."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return []
        return [memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))]
