"""The trace of a job begins here: its context is made with the submission, and the submission's own spans are written into its journal."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.telemetry.answers import Piece, spans_data
from qhub_ext.telemetry.clocks import ahead_of_files
from qhub_ext.telemetry.context import VARIABLE, context_of_job, new_context, parse_traceparent
from qhub_ext.telemetry.otlp import Value
from qhub_ext.telemetry.recorder import here

if TYPE_CHECKING:
    from qhub_ext.service.draft import Draft
    from qhub_ext.settings import Settings


def with_trace(draft: Draft, settings: Settings) -> Draft:
    """Each job is a span of its own; below the one that is open where it is submitted from (`TRACEPARENT`, or a job that submits jobs)."""
    open_here = here()
    outer = open_here.traceparent if open_here is not None else os.environ.get(VARIABLE, "")
    outer = outer if parse_traceparent(outer) is not None else ""
    sampled = settings.telemetry.spans

    def traced(spec: JobSpec, above: str) -> JobSpec:
        return replace(spec, traceparent=new_context(above, sampled=sampled).traceparent, outer_traceparent=above)

    spec = traced(draft.spec, outer)
    return replace(draft, spec=spec, elements=tuple(traced(element, spec.traceparent) for element in draft.elements))


class SubmissionRecord:
    """Capture and submission as spans: a line of the submission's own journal, since a file of their own would cost the prompt more than
    they are worth. `asked_at` is when it was to be submitted, in s since 1970 UTC.
    """

    def __init__(self, journal: JournalWriter, draft: Draft, asked_at: float) -> None:
        self._journal, self._draft, self._asked_at = journal, draft, asked_at
        self._data: dict[str, Any] | None = None

    def prepare(self) -> None:
        """All but the end, before the site has the job."""
        draft = self._draft
        root = context_of_job(draft.spec.id, draft.spec.traceparent)
        if not root.sampled:
            return
        pieces = [Piece("capture", "capture", draft.began_at, draft.drafted_at), Piece("submit", "submit", self._asked_at, time.time())]  # fmt: skip
        told: dict[str, Value] = {"process.pid": os.getpid()}
        clock = ahead_of_files(self._journal.fd)
        if clock is not None:
            told |= {"qhub.clock.ahead": round(clock.ahead_s, 6), "qhub.clock.error": round(clock.error_s, 6)}
        self._data = spans_data("qhub-client", root, draft.spec.id, pieces, told)

    def write(self) -> None:
        """When the site has the job."""
        if self._data is None:
            self.prepare()
        if self._data is None:
            return
        end = str(int(time.time() * 1e9))
        for span in self._data["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            if span["name"] == "submit":
                span["endTimeUnixNano"] = end
        with suppress(OSError):  # a full disk: the site has the job
            self._journal.append("spans", data=self._data)
