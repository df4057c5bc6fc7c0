"""The trace of a job begins here: its context is made with the submission, and the submission's own spans are written beside the job."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.telemetry.context import VARIABLE, context_of_job, new_context, parse_traceparent
from qhub_ext.telemetry.recorder import Recorder, here

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


def record_submission(folder: JobFolder, draft: Draft, writer: str, asked_at: float) -> None:
    """Capture and submission, when the site has the job. `asked_at` is when it was to be submitted, in s since 1970 UTC."""
    root = context_of_job(draft.spec.id, draft.spec.traceparent)
    recorder = Recorder(folder.spans / f"{writer}.jsonl", root, "qhub-client")
    if not recorder.on:
        return
    if draft.began_at is not None and draft.drafted_at is not None:
        recorder.add("capture", "capture", draft.began_at, draft.drafted_at)
    recorder.add("submit", "submit", asked_at, time.time())
    recorder.close()
