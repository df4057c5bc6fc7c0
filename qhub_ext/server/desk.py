"""Where handlers ask: blocking questions to the service, each answered in a small thread pool.

Those who ask the same at the same time share one answer, and for a moment after: twenty tabs cost the site what one does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from qhub_ext.service import JobService

T = TypeVar("T")

THREADS = 4
KEPT = 1000
"""Answers kept at most; the oldest go first."""


class Desk:
    """`root` is the server's root_dir: the only place from which files are submitted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pool = ThreadPoolExecutor(THREADS, "qhub")
        self._service: JobService | None = None
        self._answers: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """`question(service, *arguments)`, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(self._put, question, *arguments))

    async def share(self, question: Callable[..., T], *arguments: Hashable, max_age_s: float) -> T:
        """As `ask`; an answer that is under way, or not older than `max_age_s`, is taken instead. Errors are not kept."""
        key = (question, *arguments)
        now = time.monotonic()
        begun, answer = self._answers.get(key, (0.0, None))
        if answer is None or (answer.done() and (now - begun > max_age_s or answer.exception() is not None)):
            answer = asyncio.ensure_future(self.ask(question, *arguments))
            self._answers.pop(key, None)
            self._answers[key] = (now, answer)
            while len(self._answers) > KEPT:
                del self._answers[next(iter(self._answers))]
        return await asyncio.shield(answer)

    def forget(self, *arguments: Hashable) -> None:
        """Answers about these (a job's id, say) are no longer true."""
        for key in [k for k in self._answers if isinstance(k, tuple) and set(arguments) & set(k)]:
            del self._answers[key]

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _put(self, question: Callable[..., T], *arguments: Any) -> T:
        return question(self.service(), *arguments)

    def service(self) -> JobService:
        """For the settings as they are now: a changed `qhub.toml` takes effect without a restart. Blocks."""
        from qhub_ext.service import JobService
        from qhub_ext.settings import current_settings

        settings = current_settings()
        service = self._service
        if service is None or service.settings != settings:
            service = self._service = JobService(settings)
        return service
