"""The queue as everybody stands in it: those that run first, then those that wait, by priority."""

from __future__ import annotations

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.sites.scheduler import QueueEntry
from qhub_ext.sites.slurm.listing import Row, order, own_id, precedence
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.poller import Poller
from qhub_ext.sites.slurm.reports import Reports
from qhub_ext.sites.slurm.states import read_state


class Line:
    def __init__(self, poller: Poller, user: str, places: Places, reports: Reports) -> None:
        self._poller = poller
        self._user = user
        self._places = places
        self._reports = reports

    def entries(self) -> list[QueueEntry]:
        """Of all users, as far as Slurm shows them to this one."""
        seen = self._poller.everything()
        rows = [row for row in seen.rows.values() if not self._is_over(row)]
        waits = {row.key: read_state(row.state, row.reason).state.waiting for row in rows}
        line = sorted((r for r in rows if waits[r.key]), key=precedence)
        running = sorted((r for r in rows if not waits[r.key]), key=lambda r: (r.start or 0.0, order(r)))
        numbers = {row.key: number for number, row in enumerate(line, start=1)}
        return [self._entry(row, numbers.get(row.key), seen.as_of) for row in (*running, *line)]

    def _is_over(self, row: Row) -> bool:
        """One of ours is over when its runner is done, though Slurm still cleans up. A component stands with its job."""
        if row.component:
            return True
        job_id = own_id(row)
        if row.user != self._user or job_id is None:
            return read_state(row.state).ended
        place = self._places.known(job_id)
        return place is not None and place.key == row.key and self._reports.is_sealed(job_id, place, row)

    def _entry(self, row: Row, position: int | None, as_of: float) -> QueueEntry:
        job_id, spec = own_id(row), None
        words = row.comment.split()
        tier, device = (words[2], words[3]) if job_id and len(words) == 4 else ("", "")
        if job_id is not None and row.user == self._user:
            try:
                spec = read_spec(self._places.folder(job_id))
            except (JobFolderError, OSError):
                spec = None
        state = read_state(row.state, row.reason).state
        return QueueEntry(
            job_id=job_id or "",
            site_id=row.key,
            name=spec.name if spec else row.name.removesuffix(f".{(job_id or '').partition('.')[0]}"),
            owner=row.user,
            state=state,
            position=position,
            submitted_at=row.submitted,
            reason=row.reason if state.waiting and row.reason != "None" else "",
            tier=spec.tier if spec else tier,
            device=spec.device if spec else device,
            cpus=row.cpus,
            time_s=row.limit_s,
            started_at=row.start if not state.waiting else None,
            lane=f"partition {row.partition}",
            priority=row.priority,
            as_of=as_of,
        )
