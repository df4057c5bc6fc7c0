"""The one poller of a server: looks at the shelf often and cheaply, asks the site seldom, and says what changed.

It works while somebody looks, or while jobs are under way; the less happens, the longer it pauses. The shelf is looked at
in one thread and the site is asked in another: a site that hangs delays nothing that the folders can tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from qhub_ext.server.feed import Entry, Feed
from qhub_ext.server.lookout import Lookout, Seen

if TYPE_CHECKING:
    from qhub_ext.job.record import JobRecord
    from qhub_ext.service import JobService
    from qhub_ext.service.knowledge import SiteWord

HINT = "urn:qhub-ext:hint:1"

LOOK_S = 0.04
SHARE = 0.05
"""Of one thread's time goes to looking, at most: many active jobs or a slow file system make the looks rarer."""
LOOK_UNATTENDED_S = 1.0
LOOK_LAST_S = 5.0
"""One slow look, such as one at a file system that hung, does not put the next off for longer."""
ASK_LEAST_S = 0.1
ASK_FIRST_S = 0.25
ASK_LAST_S = 5.0
ASK_UNATTENDED_S = 30.0
ANSWERS_KEPT = 10_000
ASK_GROWTH = 1.5
ATTENDED_S = 60.0
"""So long after a request somebody is taken to be looking."""
ASLEEP_S = 600.0
"""After so long without a request, and with no job under way, it stops until the next one."""
FIRST_WORD_S = 2.0
"""Who asks after a pause waits so long for the site, and then takes what the folders say."""
OUTPUTS_S = 0.25
MANY = 20
"""More changed jobs than this are told in one hint."""

Emit = Callable[[dict[str, Any]], None]
Changed = Callable[[Sequence[str]], None]


class Monitor:
    """`service` gives the service for the settings of the moment, and may block; `emit` sends a hint to all who listen;
    `changed` is told the ids before the hints go out.
    """

    def __init__(self, service: Callable[[], JobService], emit: Emit, changed: Changed, log: logging.Logger) -> None:
        self._get_service = service
        self._emit = emit
        self._changed = changed
        self._log = log
        self._shelf_thread = ThreadPoolExecutor(1, "qhub-look")
        self._site_thread = ThreadPoolExecutor(1, "qhub-ask")
        self._tasks: list[asyncio.Task[None]] = []
        self._lookout: Lookout | None = None
        self._looking: asyncio.Future[None] | None = None
        self._asking: asyncio.Future[None] | None = None
        self._due = asyncio.Event()
        self._woken = asyncio.Event()
        self.feed = Feed("")
        self.records: dict[str, JobRecord] = {}
        """Of the jobs that may still change, as their folders have them."""
        self._told: dict[str, JobRecord] = {}
        """The same jobs with the site's word: what the feed shows of them."""
        self._word: SiteWord | None = None
        self._versions: dict[str, int] = {}
        """The number of the look that last saw something new of each of them."""
        self._numbers = itertools.count(1)
        self._printed: set[str] = set()
        self._printed_told_at: dict[str, float] = {}
        self._attended_at = self._looked_at = self._asked_at = float("-inf")
        self._look_took_s = self._ask_took_s = 0.0
        self._ask_pause_s = ASK_FIRST_S
        self.site_as_of: float | None = None
        self.stale_since: float | None = None
        self.questions = 0
        """How often the site was asked."""
        self.answer_times: deque[float] = deque(maxlen=ANSWERS_KEPT)
        """How long each question to the site took, the latest; whoever counts them takes them away."""

    # -- for handlers

    async def attend(self) -> Feed:
        """Somebody looks: the feed, not older than a moment. Raises what keeps the shelf from being read."""
        now = time.monotonic()
        slept = now - self._attended_at > ATTENDED_S
        self._attended_at = now
        self._woken.set()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._go_on_looking()), asyncio.create_task(self._go_on_asking())]
        if now - self._looked_at > 2 * self._look_pause() or not self.feed.epoch:
            await self.look()
        if slept:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WORD_S):
                    await self.ask()
        return self.feed

    def record(self, job_id: str) -> JobRecord | None:
        """Of a job that may still change, as folder and site have it together."""
        return self._told.get(job_id)

    def looked_ago(self) -> float:
        """Seconds since the last look; infinite before the first."""
        return time.monotonic() - self._looked_at

    async def look(self) -> None:
        """One look, begun after this call or just before it."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        await asyncio.shield(self._looking)

    async def ask(self) -> None:
        """One question to the site about all jobs that are under way; none when there is no such job."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
        await asyncio.shield(self._asking)

    async def look_again(self) -> None:
        """After an action: what it changed is in the feed when this returns, as far as the folders and the site tell by then."""
        under_way = [step for step in (self._looking, self._asking) if step is not None and not step.done()]
        if under_way:  # they may have begun before it
            await asyncio.wait(under_way, timeout=FIRST_WORD_S)
        await self.look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WORD_S):
                await self.ask()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for thread in (self._shelf_thread, self._site_thread):
            thread.shutdown(wait=False, cancel_futures=True)

    # -- looking

    async def _go_on_looking(self) -> None:
        while True:
            await self._rest()
            if self._asleep():
                continue
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whoever asks is told; the monitor goes on
                self._log.warning("qhub_ext: the shelf cannot be looked at: %s", error)
                await asyncio.sleep(LOOK_UNATTENDED_S)

    async def _rest(self) -> None:
        if self._attended():
            await asyncio.sleep(self._look_pause())
            return
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self._asleep() else self._look_pause()):
                await self._woken.wait()

    def _look_pause(self) -> float:
        least = LOOK_S if self._attended() else LOOK_UNATTENDED_S
        return min(max(least, self._look_took_s / SHARE), LOOK_LAST_S)

    def _attended(self) -> bool:
        return time.monotonic() - self._attended_at < ATTENDED_S

    def _asleep(self) -> bool:
        return not self._lively() and time.monotonic() - self._attended_at > ASLEEP_S

    def _lively(self) -> bool:
        """A job is under way; one that the site has lost is not."""
        return any((entry := self.feed.get(i)) is not None and not entry.summary.final for i in self.records)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        lookout, seen = await loop.run_in_executor(self._shelf_thread, self._look_from)
        self._looked_at = time.monotonic()
        if lookout is not self._lookout:
            self._begin(lookout, seen)
        else:
            # the first look imports modules and lists every job: how long it took says nothing about the next; nor does a
            # single slow one, on a busy machine
            self._look_took_s = min(self._looked_at - began, 2 * self._look_took_s + 0.002)
            if seen:
                self._take(seen)
        self._tell_printed()

    def _look_from(self) -> tuple[Lookout, Seen]:
        """In the thread of the shelf."""
        service = self._get_service()
        lookout = self._lookout
        if lookout is None or lookout.service is not service or lookout.broken:
            lookout = Lookout(service)
        return lookout, lookout.look()

    def _begin(self, lookout: Lookout, seen: Seen) -> None:
        """The first look, or the first with other settings: a numbering of its own."""
        first = self._lookout is None
        self._lookout, self._word = lookout, None
        self.records, self._told = dict(seen.records), dict(seen.records)
        self._versions.clear()
        self.feed = Feed(
            secrets.token_hex(6), [*map(Entry, seen.settled.values()), *map(entry_of, seen.records.values())]
        )
        self._ask_soon()
        if not first:
            self._changed(())
            for kind in ("job", "queue", "devices"):
                self.hint(kind)

    def _take(self, seen: Seen) -> None:
        for job_id in (*seen.settled, *seen.removed):
            for known in (self.records, self._told, self._versions, self._printed_told_at):
                known.pop(job_id, None)
        self._versions |= dict.fromkeys(seen.records, next(self._numbers))
        self.records |= seen.records
        entries = [Entry(s) for s in seen.settled.values()]
        told = {job_id: self._with_last_word(record) for job_id, record in seen.records.items()}
        self._told |= told
        entries += map(entry_of, told.values())
        self._tell(self.feed.update(entries, seen.removed))
        if seen.records or seen.settled or seen.removed:
            self._ask_soon()
        self._printed.update(seen.printed)

    def _with_last_word(self, record: JobRecord) -> JobRecord:
        """With what the site said last, where it said anything; silence means nothing about what is newer than it."""
        word, lookout = self._word, self._lookout
        if word is None or lookout is None or record.state.final or record.spec.size is not None:
            return record
        if record.id in word.reports or record.id in word.stale:
            return lookout.service.knowledge.merge(record, word)
        return record

    # -- asking

    async def _go_on_asking(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ask_pause_s):
                    await self._due.wait()
            await asyncio.sleep(max(ASK_LEAST_S, self._ask_took_s / SHARE) - (time.monotonic() - self._asked_at))
            self._due.clear()
            if not self.records or not (self._attended() or self._lively()):
                self._ask_pause_s = ASK_LAST_S
                continue
            try:
                await self.ask()
            except Exception as error:  # noqa: BLE001 - the monitor goes on; the site's own trouble is no exception here
                self._log.warning("qhub_ext: the site cannot be asked: %s", error)
            last = ASK_LAST_S if self._attended() else ASK_UNATTENDED_S
            self._ask_pause_s = min(last, self._ask_pause_s * ASK_GROWTH)

    def _ask_soon(self) -> None:
        self._ask_pause_s = ASK_FIRST_S
        self._due.set()

    async def _ask(self) -> None:
        lookout = self._lookout
        if lookout is None or not self.records:
            return
        records = list(self.records.values())
        versions = dict(self._versions)
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        word, merged = await loop.run_in_executor(self._site_thread, ask_site, lookout.service, records)
        if lookout is not self._lookout:
            return
        self._asked_at = time.monotonic()
        self._ask_took_s = self._asked_at - began
        self.questions += 1
        self.answer_times.append(self._ask_took_s)
        self._word = word
        self.site_as_of = max((r.as_of for r in word.reports.values()), default=self.site_as_of)
        self.stale_since = min(word.stale.values(), default=None)
        if not word.stale and not word.reports:
            self.site_as_of = time.time()
        current = [r for r in merged if self._versions.get(r.id, 0) == versions.get(r.id, 0) and r.id in self.records]
        self._told |= {record.id: record for record in current}
        self._tell(self.feed.update(map(entry_of, current)))

    # -- telling

    def _tell(self, changed: Sequence[str]) -> None:
        if not changed:
            return
        self._changed(changed)
        if len(changed) > MANY:
            self.hint("job")
        else:
            for job_id in changed:
                entry = self.feed.get(job_id)
                self.hint("job", job_id, entry.summary.state if entry else "")
        self.hint("queue")
        self._ask_pause_s = min(self._ask_pause_s, ASK_FIRST_S)

    def _tell_printed(self) -> None:
        now = time.monotonic()
        for job_id in list(self._printed):
            if now - self._printed_told_at.get(job_id, float("-inf")) < OUTPUTS_S:
                continue
            self._printed.discard(job_id)
            self._printed_told_at[job_id] = now
            if job_id not in self.records:
                self._printed_told_at.pop(job_id, None)
            if (entry := self.feed.get(job_id)) is not None:
                self.hint("outputs", job_id, entry.summary.state)

    def hint(self, kind: str, job_id: str = "", state: str = "") -> None:
        self._emit({"kind": kind, "id": job_id, "state": state, "seq": self.feed.seq, "epoch": self.feed.epoch})


def ask_site(service: JobService, records: Iterable[JobRecord]) -> tuple[SiteWord, list[JobRecord]]:
    """In the thread of the site."""
    records = list(records)
    word = service.knowledge.ask_sites(records)
    return word, [service.knowledge.merge(record, word) for record in records]


@functools.lru_cache(256)
def _sentence(reason: str) -> str:
    """A bare word, which is all that a site tells of many jobs at once, as what it means; the numbers are for who asks about one job."""
    from qhub_ext.sites.slurm.reasons import explain, is_known

    return explain(reason).sentence if reason.isalpha() and is_known(reason) else reason


def entry_of(record: JobRecord) -> Entry:
    from qhub_ext.jobfolder.summary import summarise

    attempt = record.attempt
    return Entry(
        summarise(record),
        _sentence(attempt.reason),
        attempt.phase,
        attempt.phase_text,
        None if record.starts_by is None else float(math.floor(record.starts_by)),
        record.stale_since,
        record.as_of,
    )
