"""What the job folder adds to Slurm's books about one attempt."""

from __future__ import annotations

from qhub_ext.errors import JobFolderError
from qhub_ext.job.identity import split_element
from qhub_ext.job.state import State
from qhub_ext.jobfolder.console import last_words
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_record, read_spec
from qhub_ext.sites.slurm.options import limit_min, time_up_s
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.verdict import Evidence


def gather(places: Places, folder: JobFolder, number: int, *, again: bool = False) -> Evidence:
    """`again`: there is a later attempt."""
    stops = [e for e in read_all(folder.journals) if e.get("kind") == "stop" and e.get("attempt", number) == number]
    attempt = folder.attempt(number)
    launched = attempt.launch.exists()
    spec = read_spec(folder)
    tier = places.settings.tiers.get(spec.tier)
    limit = limit_min(spec, places.settings)
    return Evidence(
        element=split_element(folder.id)[1] is not None,
        launched=launched,
        last_words=last_words(attempt),
        stop_why=str(stops[-1].get("why", "")) if stops else "",
        unmet="" if launched else unmet(places, folder, final=True),
        time_s=limit * 60,
        warned_s=limit * 60 - time_up_s(limit, places.settings),
        reservation=spec.site_options.get("reservation") or (tier.reservation if tier else "") or "",
        again=again,
        sealed=attempt.outcome.exists(),
    )


def unmet(places: Places, folder: JobFolder, *, final: bool = False) -> str:
    """A sentence about the first job that it waits for and that has not completed; `final`: that has ended otherwise."""
    try:
        after = read_spec(folder).after
    except (JobFolderError, OSError):
        return ""
    for member in (member for job_id in after for member in places.expand(job_id)):
        try:
            state = read_record(places.folder(member)).state
        except (JobFolderError, OSError):
            continue
        if state.final and state is not State.COMPLETED:
            return f"{member}, which it waits for, ended as {state.value.replace('_', ' ')}"
        if not state.final and not final:
            return f"{member}, which it waits for, is {state.value}"
    return ""
