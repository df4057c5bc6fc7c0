"""What is known of jobs: what their folders hold and what their sites say, put together, each with its age."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from qhub_ext.errors import SiteError, SiteUnreachableError, UnknownNameError
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.state import State, advance
from qhub_ext.job.unexplained import as_finishing, is_unexplained
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.service.standing import describe_standing
from qhub_ext.sites.scheduler import SiteReport, SiteScheduler

INTERRUPTED = "The submission was interrupted before the site had the job; `requeue` sends it again."
JUST_SENT_S = 30.0
"""A submission takes so long at most: until then nothing is said about a job that the site does not know."""
UNDECIDED_S = 600.0


@dataclass(frozen=True)
class SiteWord:
    """What the sites said about some jobs when they were asked. `stale` has those whose site could not be asked, with the
    moment of its last answer.
    """

    reports: dict[str, SiteReport] = field(default_factory=dict)
    stale: dict[str, float] = field(default_factory=dict)


class Knowledge:
    def __init__(self, shelf: Shelf, site: Callable[[str], SiteScheduler]) -> None:
        self._shelf, self._site = shelf, site

    def record(self, job_id: str) -> JobRecord:
        """What the folder and the site say together. Of an end that nobody ever explained, the site's books may still know, however old it is."""
        record = self._shelf.record(job_id)
        if not record.state.final or undecided(record):
            return self.with_sentence(self.refresh([record])[0])
        if not is_unexplained(record.attempt):
            return record
        try:
            asked = self.refresh([record])[0]
        except UnknownNameError:  # of a site that is none of ours
            return record
        return record if asked.stale_since is not None else asked

    def refresh(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        word = self.ask_sites(records)
        return [self.merge(record, word) for record in records]

    def ask_sites(self, records: Sequence[JobRecord]) -> SiteWord:
        """One question to each site, about all of its jobs."""
        by_site: dict[str, list[JobRecord]] = {}
        for record in records:
            by_site.setdefault(record.spec.site, []).append(record)
        reports: dict[str, SiteReport] = {}
        trouble: dict[str, float] = {}
        for name, group in by_site.items():
            ids = [i for r in group for i in ([r.id] if r.spec.size is None else self._active_elements(r))]
            if not ids:
                continue
            try:
                reports |= self._site(name).poll(ids)
            except SiteError as error:  # shown as age of knowledge, never as a guess
                known_at = error.known_at if isinstance(error, SiteUnreachableError) else None
                trouble |= {r.id: known_at or time.time() for r in group}
        return SiteWord(reports, trouble)

    def merge(self, record: JobRecord, word: SiteWord) -> JobRecord:
        """The folder's record and the site's word about it."""
        report, stale = word.reports.get(record.id), word.stale.get(record.id)
        if stale is not None:
            if record.state is State.FINISHING:  # its site was waited for, and may have been for long enough
                record = self._shelf.record(record.id)
            return replace(record, stale_since=stale)
        if record.spec.size is not None:
            if record.state.final:
                return record
            return self._shelf.again(record, lambda part: _moved(part, word), lambda job_id: job_id not in word.reports)
        if report is not None:
            attempt = record.attempt
            if report.attempt < attempt.number:
                return replace(record, as_of=report.as_of)
            before = record.attempts if report.attempt > attempt.number else record.attempts[:-1]
            if any(not a.state.final or a.cause == "unknown" for a in before):
                record = self._shelf.record(record.id)  # the site may just have said how they ended
                attempt = record.attempt
            if report.attempt > attempt.number:  # no journal says so yet
                attempt = Attempt(number=report.attempt)
                record = replace(record, attempts=(*record.attempts, attempt))
            # an end that the site does not confirm: it may tell more, or put the job back into its queue
            if undecided(record):
                attempt = as_finishing(attempt)
            state = advance(attempt.state, report.state)
            reason = (report.message or report.reason) if state.waiting else ""
            latest = replace(attempt, state=state, reason=reason, word=report.word or attempt.word)
            if state is State.FINISHING and report.message:
                latest = replace(latest, message=report.message)
            return replace(
                record,
                state=state,
                attempts=(*record.attempts[:-1], latest),
                site_id=report.site_id,
                as_of=report.as_of,
                starts_by=report.starts_by if state.waiting else None,
            )
        # the site does not have it: it has just ended, and the site says no more of that, or it never arrived
        record = self._shelf.last_word(record.id)
        if not record.state.final and record.state in (State.CREATED, State.SUBMITTED):
            if time.time() - (record.asked_at or record.spec.created_at) < JUST_SENT_S:
                return replace(record, as_of=time.time())
            latest = replace(record.attempt, reason=INTERRUPTED)
            return replace(record, attempts=(*record.attempts[:-1], latest), as_of=time.time())
        if not record.state.final:
            latest = replace(
                record.attempt,
                state=State.LOST,
                cause="integration",
                message="The site no longer knows this job, and its folder holds no outcome.",
                advice="`requeue` runs it again from the start.",
            )
            return replace(record, state=State.LOST, attempts=(*record.attempts[:-1], latest), as_of=time.time())
        return record

    def _active_elements(self, record: JobRecord) -> list[str]:
        parts = record.parts or self._shelf.record(record.id).parts
        return [part.id for part in parts if not part.state.final]

    def with_sentence(self, record: JobRecord) -> JobRecord:
        """A bare word of the site is explained by a question of its own; a site that has the sentence at hand sends it along. Of one
        that has left the queue since it was asked about, how it is now. While the site is silent, the word stays."""
        bare = record.attempt.reason.isalpha() and record.state in (State.QUEUED, State.HELD)
        if not bare or record.spec.size is not None or record.stale_since is not None:
            return record
        try:
            found = self._site(record.spec.site).explain_reason(record.id)
        except SiteError:
            return record
        if not found.word:
            return self.refresh([self._shelf.record(record.id)])[0]
        latest = replace(record.attempt, reason=found.sentence or record.attempt.reason)
        return replace(record, attempts=(*record.attempts[:-1], latest))

    def with_standing(self, record: JobRecord) -> JobRecord:
        """Of one that waits, where it stands: a question to the site. An answer that does not come is left out."""
        if record.state is not State.QUEUED:
            return record
        with suppress(SiteError):
            return replace(record, standing=describe_standing(self._site(record.spec.site).queue(), record.id))
        return record


def _moved(element: JobRecord, word: SiteWord) -> bool:
    """Whether the folder of an element may have more to say by now than when it was read: the site tells that it began or ended."""
    report = word.reports.get(element.id)
    if element.state.final or (report is not None and report.state.waiting):
        return False
    return report is None or report.state.final or element.state.waiting


def undecided(record: JobRecord) -> bool:
    """Stopped from outside a short while ago, and the runner was not told why: the site may have more to say about it."""
    attempt = record.attempt
    return is_unexplained(attempt) and attempt.ended_at is not None and time.time() - attempt.ended_at < UNDECIDED_S
