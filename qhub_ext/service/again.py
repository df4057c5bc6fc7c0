"""The same job once more: its bundle, options and seed in a job of its own. Another tier or device may be asked for."""

from __future__ import annotations

import mmap
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qhub_ext.capture.frozen import Chunk, Frozen
from qhub_ext.capture.manifest import read_manifest
from qhub_ext.capture.names import Names
from qhub_ext.errors import JobFolderError, UserError
from qhub_ext.job.identity import element_id, new_job_id, short_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import read_json, read_json_or_none
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec, require_own
from qhub_ext.service.draft import Draft, check_device, resource_title
from qhub_ext.tiers import catalog

if TYPE_CHECKING:
    from qhub_ext.settings import Settings


def draft_again(folder: JobFolder, settings: Settings, *, tier: str | None = None, device: str | None = None) -> Draft:
    """Values are taken over unopened, and only from a folder that its owner alone can write.

    Raises UserError for an element of an array: it has no bundle of its own.
    """
    old = read_spec(folder)
    if old.element is not None:
        raise UserError(
            f"{short_id(old.id)} is one element of an array and has no bundle of its own.",
            advice=f"`rerun {short_id(old.element.array_id)}` runs the whole array again.",
        )
    require_own(folder)
    spec = _spec(old, settings, tier, device)
    check_device(spec)
    elements = tuple(_element(folder.element(n), spec, n) for n in range(old.size or 0))
    try:
        cell = folder.cell.read_text("utf-8", "surrogatepass")
        runtime = read_json(folder.runtime)
    except FileNotFoundError as error:
        raise JobFolderError(f"{folder.path} has lost {Path(str(error.filename)).name}: it cannot run again.") from None
    notebook = read_json_or_none(folder.notebook) if old.kind == "notebook" else None
    return Draft(spec, elements, cell, Names(), _inputs(folder.inputs), runtime, {}, notebook=notebook)


def _spec(old: JobSpec, settings: Settings, tier: str | None, device: str | None) -> JobSpec:
    there = tier or old.tier
    own_name = catalog.resolve(device) if device else old.device
    return replace(
        old,
        tier=there,
        device=own_name,
        id=new_job_id(),
        created_at=time.time(),
        after=(),  # what it waited for has happened
        resource=resource_title(there, own_name, old.site, settings),
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
