"""What every site scheduler can do. `tests/contract/test_site_contract.py` is the same for all of them.

Rules that an implementation keeps:
- `submit` is idempotent by job id: the same folder sent again is the same job. It returns when the site has the job for
  good, or raises: `SiteError` (the site said no, nothing was queued) or `SiteUnreachableError` (nobody knows: `find` it
  before sending again).
- Every verb takes many jobs and costs one question to the site.
- The site writes what happens to a job into the folder's own journal (`SITE_JOURNAL`), or lets `poll` tell it.
- A job that the site no longer knows is absent from `poll`; the folder's outcome then says how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from qhub_ext.job.reason import Reason as Reason
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder

SITE_JOURNAL = "site"


@dataclass(frozen=True)
class SiteReport:
    """What the site says about one job. `word` is its own state word, `reason` why it waits, `as_of` in s since 1970 UTC.

    `message` is what a person should know beside the state, such as that the site cannot say more. `starts_by` is when a job that waits
    starts at the latest (s since 1970 UTC), from a site that knows it without another question; `estimate` has the rest.
    """

    job_id: str
    site_id: str
    state: State
    as_of: float
    word: str = ""
    reason: str = ""
    attempt: int = 1
    message: str = ""
    starts_by: float | None = None


@dataclass(frozen=True)
class QueueEntry:
    """One line of the site's queue, of any user. `position` counts from 1 among those that wait, None when it runs.

    `lane` names the part of the site in which it waits behind others, such as `partition qpu`; `priority` is the site's number. `as_of` is
    when the site said so (s since 1970 UTC), where that was not just now; `site` its name, where several are listed together.
    """

    job_id: str
    site_id: str
    name: str
    owner: str
    state: State
    position: int | None
    submitted_at: float | None
    reason: str = ""
    tier: str = ""
    device: str = ""
    cpus: int = 1
    time_s: int | None = None
    started_at: float | None = None
    lane: str = ""
    priority: int | None = None
    as_of: float | None = None
    site: str = ""


@dataclass(frozen=True)
class StartEstimate:
    """When a waiting job may start, in s since 1970 UTC; both None when the site has no answer, and `why` says so."""

    earliest: float | None
    latest: float | None
    why: str


@dataclass(frozen=True)
class Refusal:
    """One job that a verb could not be applied to, with the reason."""

    job_id: str
    why: str


@dataclass(frozen=True)
class Finding:
    """One line of `qhub doctor`: ok, warning or failure, what was checked, what to do."""

    level: str
    what: str
    advice: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class SiteScheduler(Protocol):
    name: str

    def submit(self, folders: Sequence[JobFolder]) -> dict[str, str]:
        """Queues these folders and returns {job id: the site's own id}. Elements of one array are one submission."""

    def find(self, job_ids: Sequence[str]) -> dict[str, str]:
        """{job id: site id} of those that the site knows, or has known: the question to ask after a lost answer."""

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]: ...

    def cancel(self, job_ids: Sequence[str]) -> list[Refusal]: ...

    def hold(self, job_ids: Sequence[str]) -> list[Refusal]: ...

    def release(self, job_ids: Sequence[str]) -> list[Refusal]: ...

    def requeue(self, job_ids: Sequence[str]) -> list[Refusal]:
        """A new attempt of each, from the start; one that runs is stopped first."""

    def queue(self) -> list[QueueEntry]: ...

    def estimate(self, job_id: str) -> StartEstimate: ...

    def explain_reason(self, job_id: str) -> Reason: ...

    def render_script(self, folder: JobFolder, spec: JobSpec | None = None) -> str:
        """The text that the site would run. `spec` is for a folder that does not exist yet, as in `--dry-run`."""

    def doctor(self) -> list[Finding]: ...


@runtime_checkable
class Expecting(Protocol):
    """A site that can use the time in which a folder is written. It need not."""

    def expect(self, spec: JobSpec) -> AbstractContextManager[None]:
        """Inside, the folder of this job is written and then submitted, or not: then nothing is left of it at the site."""

    def meanwhile(self, spec: JobSpec, step: Callable[[], None]) -> None:
        """What may be done inside, while the site takes the job in and there is nothing else to do; once, or not at all."""
