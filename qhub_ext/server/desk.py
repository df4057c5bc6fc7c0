"""Where handlers ask: blocking questions to the service, each answered in a small thread pool.

Those who ask the same at the same time share one answer, and for a moment after: twenty tabs cost the site what one does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from qhub_ext.job.state import FINAL
from qhub_ext.server.logs import ids_of
from qhub_ext.server.monitor import Emit, Monitor
from qhub_ext.telemetry.console import JSON

if TYPE_CHECKING:
    from qhub_ext.server.submission import Submission
    from qhub_ext.service import JobService
    from qhub_ext.service.resources import ResourceState

T = TypeVar("T")

THREADS = 4
CHECKED_S = 1.0
"""A changed `qhub.toml` is noticed within so many seconds."""
INQUIRED_S = 60.0
"""Quantum resources are asked at most so often, and only when somebody looks at devices: each costs a process."""
KEPT = 200
"""Answers kept at most; the oldest go first."""


class Desk:
    """`root` is the server's root_dir: the only place from which files are submitted. `as_json` turns the server's log into JSON lines."""

    def __init__(self, root: Path, emit: Emit, log: logging.Logger, as_json: Callable[[], None]) -> None:
        self.root = root
        self.monitor = Monitor(self.service, emit, self._changed, log)
        self._pool = ThreadPoolExecutor(THREADS, "qhub")
        self._service: JobService | None = None
        self._log, self._as_json = log, as_json
        self._standing: list[ResourceState] = []
        self._inquiry: asyncio.Future[None] | None = None
        self._inquired_at = float("-inf")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._queue: dict[str, Any] | None = None
        self._checked_at = float("-inf")
        self._choosing = threading.Lock()
        self._answers: dict[tuple[Hashable, ...], tuple[float, asyncio.Future[Any]]] = {}

    async def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """`question(service, *arguments)`, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(self._put, question, *arguments))

    async def share(
        self, question: Callable[..., T], *arguments: Hashable, max_age_s: float, beside: tuple[Any, ...] = ()
    ) -> T:
        """As `ask`; an answer that is under way, or not older than `max_age_s`, is taken instead. Errors are not kept.

        What goes along in `beside` does not make it another question.
        """
        key = (question, *arguments)
        now = time.monotonic()
        begun, answer = self._answers.get(key, (0.0, None))
        if answer is None or (answer.done() and (now - begun > max_age_s or answer.exception() is not None)):
            answer = asyncio.ensure_future(self.ask(question, *arguments, *beside))
            self._answers.pop(key, None)
            self._answers[key] = (now, answer)
            while len(self._answers) > KEPT:
                del self._answers[next(iter(self._answers))]
        return await asyncio.shield(answer)

    async def devices(self, tier: str) -> dict[str, Any]:
        """With what their resources said last. They are asked meanwhile, and a hint tells when they say something else."""
        from qhub_ext.server import answers

        if self._inquiry is None or (self._inquiry.done() and time.monotonic() - self._inquired_at > INQUIRED_S):
            self._inquiry = asyncio.ensure_future(self._inquire())
        return await self.share(answers.devices, tier, max_age_s=INQUIRED_S / 2, beside=(tuple(self._standing),))

    async def _inquire(self) -> None:
        from qhub_ext.errors import QhubError
        from qhub_ext.server import answers

        try:
            found = await self.ask(answers.standing)
        except QhubError as error:  # each resource that fails says so itself; this is the broker, or a setting
            self._log.warning("qhub_ext: the resources cannot be asked: %s", error)
            found = []
        self._inquired_at = time.monotonic()
        if found != self._standing:
            self._standing = found
            self._drop(lambda key: key[0] is answers.devices)
            self.monitor.hint("devices")

    async def queue(self) -> dict[str, Any]:
        """The site's queue, or the last that was known of it, with the moment since when it is stale."""
        from qhub_ext.errors import SiteUnreachableError
        from qhub_ext.server import answers

        try:
            self._queue = await self.share(answers.queue, max_age_s=1.0)
        except SiteUnreachableError as error:
            if self._queue is None:
                raise
            return self._queue | {"stale_since": error.known_at or self._queue["as_of"]}
        return self._queue

    async def act(self, action: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        """What it changes is in the feed when this returns."""
        answer = await self.ask(action, *arguments)
        await self.monitor.look_again()
        return answer

    async def act_on(self, job_id: str, verb: str) -> dict[str, Any]:
        """A verb for one job. Raises UnreachableNowError, with the line that is known of it."""
        from qhub_ext.errors import SiteUnreachableError
        from qhub_ext.server import answers
        from qhub_ext.server.replies import UnreachableNowError

        try:
            answer = await self.act(answers.act, verb, job_id)
        except SiteUnreachableError as error:
            raise UnreachableNowError(error, {"job": await self.line(job_id)}) from error
        await self._tell(verb, job_id)
        return answer | {"job": await self.line(job_id)}

    async def submit(self, wanted: Submission, key: str) -> tuple[dict[str, Any], bool]:
        """One at a time for each key: the second of two that come together finds the job of the first."""
        from qhub_ext.server import submission

        async with self._lock_of(key):
            answer, is_new = await self.ask(submission.submit, self.root, wanted, key)
        if is_new:
            await self._tell("submit", answer["id"])
        await self.monitor.look_again()
        return answer, is_new

    async def _tell(self, verb: str, job_id: str) -> None:
        """A line of the log about what was done here to a job."""
        if self._log.isEnabledFor(logging.INFO):
            self._log.info("qhub_ext: %s job %s", verb, job_id, extra=await self.ask(ids_of, job_id))

    def _lock_of(self, key: str) -> asyncio.Lock:
        """Kept as long as somebody holds it."""
        lock = self._locks.get(key) if key else None
        if lock is None:
            lock = asyncio.Lock()
            if key:
                self._locks[key] = lock
        return lock

    async def follow(self, job_id: str, attempt: int) -> AsyncIterator[bytes]:
        """The log as it comes, until the job has ended."""
        from qhub_ext.server import one_job
        from qhub_ext.server.follow import LogFollower

        folder = await self.ask(one_job.known, job_id)
        if attempt:
            await self.ask(lambda _: one_job.the_attempt(folder, attempt))
        follower = LogFollower(folder, attempt)
        yield b""
        while True:
            await self.monitor.attend()
            entry = self.monitor.feed.get(job_id)
            line = await self.share(one_job.line, job_id, max_age_s=1.0) if entry is None else entry.to_json()
            final = line["state"] in FINAL  # asked first: what was printed before the end is still read below
            text = await self.ask(lambda _: follower.read())
            if text:
                yield text.encode("utf-8", "replace")
            if final:
                return
            await asyncio.sleep(follower.pause_s)

    async def iterate(self, pieces: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
        """Each piece is made in a thread."""
        try:
            while True:
                piece = await self.ask(lambda _: next(pieces, None))
                if piece is None:
                    return
                if piece:
                    yield piece
        finally:
            with contextlib.suppress(ValueError):  # it is being asked for one more in its thread
                pieces.close()

    async def line(self, job_id: str) -> dict[str, Any]:
        """The job's line of the listing."""
        from qhub_ext.server import one_job

        entry = self.monitor.feed.get(job_id)
        return await self.ask(one_job.line, job_id) if entry is None else entry.to_json()

    def _changed(self, job_ids: Sequence[str]) -> None:
        """Answers about these jobs, and about all jobs together, are no longer true; without ids, none is."""
        changed = set(job_ids)
        self._drop(lambda key: not changed or len(key) == 1 or bool(changed & set(key)))

    def _drop(self, untrue: Callable[[tuple[Hashable, ...]], bool]) -> None:
        for key in list(filter(untrue, self._answers)):
            del self._answers[key]

    async def close(self) -> None:
        if self._inquiry is not None:
            self._inquiry.cancel()
        await self.monitor.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _put(self, question: Callable[..., T], *arguments: Any) -> T:
        return question(self.service(), *arguments)

    def service(self) -> JobService:
        """For the settings as they are now: a changed `qhub.toml` takes effect without a restart. Blocks."""
        from qhub_ext.service import JobService
        from qhub_ext.settings import current_settings

        with self._choosing:
            now = time.monotonic()
            if self._service is None or now - self._checked_at > CHECKED_S:
                settings = current_settings()
                self._checked_at = now
                if self._service is None or self._service.settings != settings:
                    self._service = JobService(settings)
                    if settings.telemetry.logs == JSON:
                        self._as_json()
            return self._service
