"""One line of a listing: what is told of a job among thousands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import FINAL


@dataclass(slots=True)  # to be read only; a frozen one takes five times as long to make, and a listing makes thousands
class Summary:
    """One line of a listing. Moments in s since 1970 UTC; `done` of `size` elements when it is an array."""

    id: str
    name: str
    tier: str
    device: str
    site: str
    state: str
    cause: str | None
    message: str
    created_at: float
    submitted_at: float | None
    running_at: float | None
    ended_at: float | None
    size: int | None
    done: int | None

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def readable(self) -> bool:
        """Not so of a folder that is torn, or of a newer version: what mends it need not change the folder's time."""
        return self.created_at > 0


def lost_summary(job_id: str, error: Exception, shelf: Path) -> Summary:
    """Of a folder that cannot be read. A line of a listing has no room for the way to the shelf before the reason."""
    why = str(error).replace(f"{shelf}/", "")
    return Summary(job_id, "", "", "", "", "lost", "integration", why, 0.0, None, None, None, None, None)


def summarise(record: JobRecord) -> Summary:
    spec, attempt = record.spec, record.attempt
    return Summary(
        id=spec.id,
        name=spec.name,
        tier=spec.tier,
        device=spec.device,
        site=spec.site,
        state=record.state.value,
        cause=attempt.cause,
        message=attempt.message or attempt.reason,
        created_at=spec.created_at,
        submitted_at=record.submitted_at,
        running_at=attempt.running_at,
        ended_at=attempt.ended_at,
        size=spec.size,
        done=record.done,
    )
