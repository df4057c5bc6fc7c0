"""What is done to jobs: `cancel`, `hold`, `release`, `requeue`."""

from __future__ import annotations

from collections.abc import Sequence

from qhub_ext.display.tables import Text
from qhub_ext.job.identity import short_id
from qhub_ext.sites.scheduler import Refusal
from qhub_ext.verbs.group import facts_verb, some_jobs, verbs
from qhub_ext.verbs.surface import EXIT_JOB_FAILED, Surface


def _told(surface: Surface, name: str, words: tuple[str, str], ids: Sequence[str], refusals: Sequence[Refusal]) -> Text:
    refused = {r.job_id: r.why for r in refusals}
    lines = []
    for job_id in ids:
        whys = {i: w for i, w in refused.items() if i == job_id or i.startswith(f"{job_id}.")}
        size = surface.service.spec(job_id).size if whys else None
        if not whys:
            lines.append(f"Job {short_id(job_id)}: {words[0]}.")
        elif size is not None and len(whys) < size:
            lines.append(f"Job {short_id(job_id)}: {words[0]}, but not of {len(whys)} of its {size} elements.")
        else:
            surface.exit_code = EXIT_JOB_FAILED
        lines.extend(f"Job {short_id(i)}: not {words[1]}: {w}" for i, w in list(whys.items())[:5])
        if len(whys) > 5:
            lines.append(f"... and {len(whys) - 5} more elements of {short_id(job_id)}.")
    return Text("\n".join(lines), {"verb": name, "jobs": list(ids), "refused": refused})


def _acting(name: str, done: str, undone: str, doc: str) -> None:
    @verbs.command(name, help=doc)
    @some_jobs
    @facts_verb
    def verb(surface: Surface, jobs: Sequence[str]) -> Text:
        ids = [surface.job(j).id for j in jobs]
        refusals = surface.service.apply(name, ids)
        return _told(surface, name, (done, undone), ids, refusals)


_acting(
    "cancel",
    "cancel is asked for",
    "cancelled",
    "Ends jobs: a waiting one at once, a running one after its `finally:`.",
)
_acting("hold", "held", "held", "Keeps waiting jobs from starting.")
_acting("release", "released", "released", "Lets held jobs start when their turn comes.")
_acting(
    "requeue", "queued again", "queued again", "Begins a new attempt, from the start; one that runs is stopped first."
)
