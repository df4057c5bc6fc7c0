"""The trace of a job as its folder tells it: spans, breakdown, advice, and the profile where one was asked for."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from qhub_ext.diagnosis.advice import Advice, advise, counts_of
from qhub_ext.diagnosis.breakdown import Breakdown, break_down
from qhub_ext.diagnosis.rows import Row, rows_of
from qhub_ext.diagnosis.spans import Facts
from qhub_ext.diagnosis.trace import NS, Trace, assemble, assemble_array
from qhub_ext.errors import JobFolderError
from qhub_ext.job.record import JobRecord
from qhub_ext.jobfolder.atomic import read_record_or_none
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import read_outcome, read_record
from qhub_ext.jobfolder.tasks import tasks_of
from qhub_ext.telemetry.reading import read_recorded


@dataclass(frozen=True)
class JobTrace:
    """`profile` has the functions of the latest attempt that took most, and `profile_note` says how they were found. `at` is when it was read, in s since 1970 UTC."""

    record: JobRecord
    trace: Trace
    at: float
    profile: tuple[dict[str, Any], ...] = ()
    profile_note: str = ""

    @cached_property
    def closed(self) -> Trace:
        return self.trace.until(int(self.at * NS))

    @cached_property
    def breakdown(self) -> Breakdown:
        return break_down(self.closed)

    @cached_property
    def advice(self) -> Advice | None:
        return advise(
            self.breakdown, counts_of(self.trace, self.record.spec.tier, profiled=bool(self.profile))
        )  # fmt: skip

    @cached_property
    def rows(self) -> list[Row]:
        return rows_of(self.trace, int(self.at * NS))

    @property
    def notes(self) -> list[str]:
        return [*(clock.sentence for clock in self.trace.clocks), *self.trace.notes]


def trace_of(folder: JobFolder, record: JobRecord) -> JobTrace:
    now = time.time()
    if record.spec.size is not None:
        elements = [read_record(folder.element(n)) for n in range(record.spec.size)]
        return JobTrace(record, assemble_array(record, elements), now)
    facts = {number: _facts(folder.attempt(number)) for number in folder.attempt_numbers()}
    trace = assemble(record, read_recorded(folder), facts)
    latest = folder.latest_attempt()
    return JobTrace(record, trace, now, *(((), "") if latest is None else read_profile(latest)))


def log_lines(folder: JobFolder, moments: Sequence[float]) -> list[int]:
    """How many lines the latest attempt had printed at each moment, in s since 1970 UTC."""
    from qhub_ext.jobfolder.outputs import read_messages, text_of_message

    attempt = folder.latest_attempt()
    printed = [] if attempt is None else [
        (float(message.get("at", 0.0)), text_of_message(message).count("\n")) for message in read_messages(attempt)
    ]  # fmt: skip
    ends = [at for at, _ in printed]
    sums = [0, *accumulate(count for _, count in printed)]
    return [sums[bisect_right(ends, moment)] for moment in moments]


def read_profile(attempt: AttemptFolder) -> tuple[tuple[dict[str, Any], ...], str]:
    """Functions, and a sentence about how they were found."""
    try:
        record = read_record_or_none(attempt.profile) or {}
    except JobFolderError:
        return (), ""
    return tuple(row for row in record.get("functions", ()) if isinstance(row, dict)), str(record.get("note", ""))


def _facts(attempt: AttemptFolder) -> Facts:
    """For an attempt that recorded no spans of its own."""
    outcome = read_outcome(attempt) or {}
    tasks = [] if attempt.spans.is_dir() else tasks_of(attempt)
    return Facts(tasks, outcome.get("timings_s"))
