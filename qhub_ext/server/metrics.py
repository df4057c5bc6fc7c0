"""What a user's server tells Prometheus at its own `/metrics`: jobs, queue, waits and runs, the site's answers, calibrations.

Few series: by state, tier, device and cause, never by job. All of it is what the monitor knows; a scrape asks no site.

| name | what |
|---|---|
| qhub_jobs | jobs on the shelf by state, tier, device and cause |
| qhub_jobs_ended_total | jobs that ended since the server first looked |
| qhub_job_wait_seconds, qhub_job_run_seconds | histograms of those, by tier |
| qhub_queue_jobs, qhub_queue_oldest_seconds | jobs that wait, and for how long the oldest has |
| qhub_job_lost_seconds_total | time that jobs ran which ended badly, by tier and cause |
| qhub_site_call_seconds | histogram of how long the site took to answer |
| qhub_site_stale_seconds | for how long the site has not answered; 0 when it did |
| qhub_calibration_age_seconds | by device, of those that jobs were for |
| qhub_calibration_error_median | median error of the same calibration by device and kind: readout, one_qubit, two_qubit |
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from logging import Logger
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Histogram
from prometheus_client import Counter as Ended
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qhub_ext.errors import Cause, JobFolderError
from qhub_ext.job.state import WAITING, State
from qhub_ext.server.feed import Entry
from qhub_ext.server.monitor import Monitor

if TYPE_CHECKING:
    from qhub_ext.service import JobService

LOOK_EVERY_S = 15.0
"""A scrape has the shelf looked at again where nobody else did for so long."""
_BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
_CALL_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ERRORS = ("readout", "one_qubit", "two_qubit")
_WAITING = frozenset(state.value for state in WAITING)


class JobMetrics(Collector):
    def __init__(self, monitor: Monitor, service: Callable[[], JobService], log: Logger) -> None:
        self._monitor, self._service, self._log = monitor, service, log
        self._known: set[str] | None = None
        self._look: asyncio.Task[None] | None = None
        self._ended = Ended("qhub_jobs_ended", "Jobs that ended since the server first looked.", ("state", "tier", "device", "cause"), registry=None)  # fmt: skip
        self._waits = Histogram(
            "qhub_job_wait_seconds", "From submission to the start.", ("tier",), buckets=_BUCKETS, registry=None
        )
        self._lost = Ended(
            "qhub_job_lost_seconds", "Time that jobs ran which ended badly.", ("tier", "cause"), registry=None
        )
        self._calls = Histogram(
            "qhub_site_call_seconds", "Questions to the site scheduler.", buckets=_CALL_BUCKETS, registry=None
        )
        self._medians: dict[str, dict[str, float]] = {}
        self._runs = Histogram(
            "qhub_job_run_seconds", "From the start to the end.", ("tier",), buckets=_BUCKETS, registry=None
        )

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be registered is no scrape."""
        return ()

    def register(self) -> None:
        REGISTRY.register(self)

    def close(self) -> None:
        with contextlib.suppress(KeyError):
            REGISTRY.unregister(self)
        if self._look is not None:
            self._look.cancel()

    def collect(self) -> Iterator[Metric]:
        self._look_again()
        if not self._monitor.feed.epoch:  # nobody has looked yet
            return
        entries = self._monitor.feed.entries()
        self._count(entries)
        yield from self._jobs(entries)
        yield from self._site()
        yield from self._calibrations({entry.summary.device for entry in entries})
        for kept in (self._ended, self._waits, self._runs, self._lost, self._calls):
            yield from kept.collect()

    # ------------------------------------------------------------------

    def _look_again(self) -> None:
        if self._monitor.looked_ago() < LOOK_EVERY_S or (self._look is not None and not self._look.done()):
            return
        with contextlib.suppress(RuntimeError):  # no event loop: the shelf stays as it was seen
            self._look = asyncio.get_running_loop().create_task(self._once())

    async def _once(self) -> None:
        try:
            await self._monitor.look()
        except Exception as error:  # noqa: BLE001 - a scrape has what is known; the log says what is not
            self._log.warning("qhub_ext: the shelf cannot be looked at for /metrics: %s", error)

    def _count(self, entries: Iterable[Entry]) -> None:
        """Those that were at their end when the server first looked are nobody's news."""
        final = {entry.summary.id: entry.summary for entry in entries if entry.summary.final}
        if self._known is not None:
            for job_id in final.keys() - self._known:
                one = final[job_id]
                self._ended.labels(one.state, one.tier, one.device, one.cause or "").inc()
                if one.submitted_at is not None and one.running_at is not None:
                    self._waits.labels(one.tier).observe(max(0.0, one.running_at - one.submitted_at))
                if one.running_at is not None and one.ended_at is not None:
                    ran_s = max(0.0, one.ended_at - one.running_at)
                    self._runs.labels(one.tier).observe(ran_s)
                    if one.state != State.COMPLETED and one.cause != Cause.USER:
                        self._lost.labels(one.tier, one.cause or "").inc(ran_s)
        self._known = set(final)

    def _jobs(self, entries: Iterable[Entry]) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("qhub_jobs", "Jobs on the shelf.", labels=("state", "tier", "device", "cause"))
        summaries = [entry.summary for entry in entries]
        for labels, number in Counter((s.state, s.tier, s.device, s.cause or "") for s in summaries).items():
            jobs.add_metric(labels, number)
        waiting = GaugeMetricFamily("qhub_queue_jobs", "Jobs that wait.", labels=("tier",))
        oldest = GaugeMetricFamily("qhub_queue_oldest_seconds", "For how long the oldest has waited.", labels=("tier",))
        now = time.time()
        for tier in sorted({s.tier for s in summaries}):
            since = [s.submitted_at or s.created_at for s in summaries if s.tier == tier and s.state in _WAITING]
            waiting.add_metric((tier,), len(since))
            oldest.add_metric((tier,), max(0.0, now - min(since)) if since else 0.0)
        yield from (jobs, waiting, oldest)

    def _site(self) -> Iterator[Metric]:
        monitor = self._monitor
        while monitor.answer_times:
            self._calls.observe(monitor.answer_times.popleft())
        stale = 0.0 if monitor.stale_since is None else max(0.0, time.time() - monitor.stale_since)
        yield GaugeMetricFamily("qhub_site_stale_seconds", "For how long the site has not answered.", value=stale)

    def _calibrations(self, devices: Iterable[str]) -> Iterator[Metric]:
        from qhub_ext.jobfolder.calibrations import CalibrationStore, read_snapshot

        ages = GaugeMetricFamily(
            "qhub_calibration_age_seconds", "Of the newest calibration that jobs have met.", labels=("device",)
        )
        errors = GaugeMetricFamily("qhub_calibration_error_median", "Median error of the newest calibration that jobs have met.", labels=("device", "kind"))  # fmt: skip
        store = CalibrationStore(self._service().settings.shelf)
        for device in sorted(filter(None, devices)):
            latest = store.latest(device)
            if latest is not None:
                with contextlib.suppress(ValueError):
                    ages.add_metric((device,), time.time() - datetime.fromisoformat(latest.taken_at).timestamp())
                if latest.digest not in self._medians:
                    with contextlib.suppress(JobFolderError):  # a damaged file has no numbers
                        found = read_snapshot(latest.path).medians()
                        self._medians[latest.digest] = {kind: value for kind in _ERRORS if (value := found[f"{kind}_error"].median) is not None}  # fmt: skip
                for kind, value in self._medians.get(latest.digest, {}).items():
                    errors.add_metric((device, kind), value)
        yield from (ages, errors)
