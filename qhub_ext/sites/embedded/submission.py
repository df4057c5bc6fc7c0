"""A job folder as a job of the table: submitted, or queued again after its end."""

from __future__ import annotations

import time
from dataclasses import replace

from qhub_ext.errors import InvalidOptionError, JobFolderError, SiteError
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_record, read_spec, require_own
from qhub_ext.sites.embedded.script import render_script
from qhub_ext.sites.embedded.table import TableJob
from qhub_ext.sites.sendable import read_sendable


def submitted_job(folder: JobFolder, total_cpus: int) -> TableJob:
    """Raises SiteError for a folder that this site cannot run, InvalidOptionError for one that is too wide for it."""
    spec = read_sendable(folder)
    if spec.cpus > total_cpus:
        raise InvalidOptionError(
            f"The job asks for {spec.cpus} CPUs and the embedded site of this computer has {total_cpus}; nothing was queued.",
            advice="Ask for fewer CPUs.",
        )
    if not folder.script.is_file():
        raise SiteError(f"{folder.path} has no script to run; nothing was queued.")
    return table_job(folder, spec)


def ended_job(folder: JobFolder) -> TableJob | None:
    """A job that has ended, as it would be submitted again."""
    try:
        require_own(folder)
        spec = read_spec(folder)
        state = read_record(folder, spec).state
    except (FileNotFoundError, JobFolderError):
        return None
    if not state.final or not folder.script.is_file():
        return None
    return replace(table_job(folder, spec), attempt=max(folder.attempt_numbers(), default=0))


def table_job(folder: JobFolder, spec: JobSpec) -> TableJob:
    script = folder.script.read_text(errors="surrogateescape")
    plain = bool(spec.python) and spec.launch is None and script == render_script(folder, spec)
    return TableJob(
        id=spec.id,
        path=str(folder.path.absolute()),
        name=spec.name,
        owner=spec.owner,
        tier=spec.tier,
        device=spec.device,
        cpus=max(1, spec.cpus),
        time_s=spec.time_s,
        grace_s=spec.grace_s,
        after=spec.after,
        unmet=spec.after,
        submitted_at=time.time(),
        python=spec.python,
        plain=plain,
        warm_key=f"{spec.python}|{spec.environment_digest}|{spec.cpus}|{spec.memory_mb}"
        if plain and not spec.cold
        else "",
    )
