"""The spans of one task on a device: on its way, waiting there, on it, and on its way back.

When it ran, the device itself knows best: a server of ours is asked for its spans, the result of a real one says when each PUB was on the
device, and where neither does, it is what the questions about its state saw.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.answers import TIME_HEADER, clipped, moved
from qhub_ext.telemetry.clocks import WHOLE_SECOND_S, Offset, from_answer
from qhub_ext.telemetry.context import TraceContext
from qhub_ext.telemetry.otlp import RecordedSpan, decode

if TYPE_CHECKING:
    from qhub_ext.tiers.qpu.brokered import Place
    from qhub_ext.tiers.qpu.process import ResourceProcess
    from qhub_ext.tiers.qpu.resources import Resource
    from qhub_ext.tiers.qpu.turn import BrokerTurn

PATIENCE_S = 2.0
CLOCK_EVERY_S = 300.0
MOST_INTERVALS = 64
"""A task of thousands of PUBs: what lies close together is one span on the device."""


@dataclass
class Moments:
    """Of one task, in s since 1970 UTC, as seen from here. `intervals` are the device's own, by its own clock."""

    sent_at: float = field(default_factory=time.time)
    accepted_at: float | None = None
    running_at: float | None = None
    ended_at: float | None = None
    fetched_at: float | None = None
    task: str = ""
    state: str = ""
    polls: int = 0
    qpu_s: float | None = None
    intervals: Sequence[tuple[float, float]] = ()
    sent_by: TraceContext | None = None
    """The call that started it, of the process that spoke with the service: what the service tells hangs below it."""


def traced_call(process: ResourceProcess | BrokerTurn, name: str, *arguments: Any, deadline_s: float, moments: Moments | None = None, **fields: Any) -> Any:  # fmt: skip
    """`process.call`, and what the process tells of it below the span that is open here."""
    recorder, above = spans.recorder(), spans.here()
    if recorder is None or above is None:
        return process.call(name, *arguments, deadline_s=deadline_s, **fields)
    told: list[RecordedSpan] = []
    try:
        return process.call(name, *arguments, deadline_s=deadline_s, told=told, traceparent=above.traceparent, **fields)
    finally:
        recorder.adopt(told)
        if moments is not None and told:
            moments.sent_by = TraceContext(told[0].trace_id, told[0].span_id)


@contextlib.contextmanager
def task_span(resource: Resource, broker: Place | None) -> Iterator[Moments]:
    """Around one task from its sending to its result in hand."""
    moments = Moments()
    span = spans.begin("device task", "transport", qhub__device=resource.device, qhub__device__virtual=resource.virtual)
    if span is None:
        yield moments
        return
    moments.sent_at = span.begin_ns / 1e9
    token = spans.enter(span)
    error: BaseException | None = None
    try:
        yield moments
    except BaseException as raised:
        error = raised
        raise
    finally:
        _tell(moments, resource, broker, span, whole=error is None)
        span.attributes |= {"qhub.task.vendor_id": moments.task, "qhub.task.state": moments.state, "qhub.task.polls": moments.polls}  # fmt: skip
        if moments.qpu_s is not None:
            span.attributes["qhub.qpu.seconds"] = float(moments.qpu_s)
        spans.leave(token)
        spans.finish(span, error)


def _tell(m: Moments, resource: Resource, broker: Place | None, span: spans.OpenSpan, *, whole: bool) -> None:
    recorder = spans.recorder()
    if recorder is None:
        return
    end = m.fetched_at or time.time()
    here = span.context
    queue = "broker_queue" if resource.brokered else "device_queue"
    above = m.sent_by or here
    told = ask_for_spans(m.task, resource, broker, above.traceparent) if whole and m.task else []
    told = clipped(told, int(m.sent_at * 1e9), int(end * 1e9))
    recorder.adopt(told)
    kinds = {one.kind for one in told}
    recorder.add("send", "transport", m.sent_at, m.accepted_at or end, here)
    ran = _on_device(m, resource, whole=whole) if "quantum" not in kinds else []
    for begin, until, offset in ran:
        clock: dict[str, Any] = {} if offset is None else {"qhub__clock__device_ahead": round(offset.ahead_s, 6), "qhub__clock__error": round(offset.error_s, 6)}  # fmt: skip
        recorder.add("on the device", "quantum", max(begin, m.sent_at), min(until, end), here, **clock)
    if queue not in kinds and m.accepted_at is not None:
        began = min([m.running_at or m.ended_at or end, *(begin for begin, _, _ in ran)])
        if began > m.accepted_at:
            recorder.add("wait at the broker" if resource.brokered else "wait at the device", queue, m.accepted_at, began, here)  # fmt: skip
    if m.ended_at is not None and m.fetched_at is not None:
        recorder.add("fetch", "transport", m.ended_at, m.fetched_at, here)


def _on_device(m: Moments, resource: Resource, *, whole: bool) -> list[tuple[float, float, Offset | None]]:
    """When it was on the device, by the clock here."""
    end = m.fetched_at or m.ended_at
    if m.intervals and end is not None:
        offset = device_clock(resource) if whole and not resource.brokered else None
        ahead = offset.ahead_s if offset is not None and offset.matters else 0.0
        found = [(begin - ahead, until - ahead, offset) for begin, until in joined(m.intervals)]
        inside = [(max(b, m.sent_at), min(u, end), o) for b, u, o in found if b < end and u > m.sent_at]
        if inside:
            return inside
    if m.running_at is not None and m.ended_at is not None and m.ended_at > m.running_at:
        return [(m.running_at, m.ended_at, None)]
    return []


def joined(intervals: Sequence[tuple[float, float]], most: int = MOST_INTERVALS) -> list[tuple[float, float]]:
    """In order, at most so many: the shortest gaps are closed first."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(pair for pair in intervals if pair[0] <= pair[1]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    if len(found) <= most:
        return found
    gaps = sorted(range(1, len(found)), key=lambda n: found[n][0] - found[n - 1][1])
    closed = set(gaps[: len(found) - most])
    merged = [found[0]]
    for n in range(1, len(found)):
        if n in closed:
            merged[-1] = (merged[-1][0], found[n][1])
        else:
            merged.append(found[n])
    return merged


def ask_for_spans(task: str, resource: Resource, broker: Place | None, traceparent: str) -> list[RecordedSpan]:
    """Those of the broker, or of a virtual QPU, by the clock here; none of who does not answer."""
    from qhub_ext.errors import QhubError

    asked = time.time()
    try:
        answer = _answer(task, resource, broker, traceparent)
    except (OSError, ValueError, QhubError):
        return []
    said = answer.get("at") if isinstance(answer, dict) else None
    found = list(decode(answer))
    if not isinstance(said, float):
        return found
    offset = from_answer(asked, time.time(), said)
    return moved(found, int(offset.ahead_s * 1e9)) if offset.matters else found


def _answer(task: str, resource: Resource, broker: Place | None, traceparent: str) -> Any:
    from qhub_ext.tiers.qpu.brokered import ask_broker

    headers = {"traceparent": traceparent}
    if resource.brokered and broker is not None:
        return ask_broker(broker, "GET", f"/v1/tasks/{quote(task, safe='')}/spans", more=headers)
    server = resource.config.get("QRMI_IBM_QCS_IAM_ENDPOINT", "")
    if not resource.virtual or resource.brokered or not server:
        return {}
    headers["x-api-key"] = resource.config.get("QRMI_IBM_QCS_IAM_APIKEY", "")
    with _open(f"{server}/spans/{quote(task, safe='')}", headers) as answer:
        return json.load(answer)


_clocks: dict[str, tuple[float, Offset | None]] = {}


def device_clock(resource: Resource) -> Offset | None:
    """The clock of the service against the one here; None where it does not say. Asked now and then."""
    url = next((v for k, v in resource.config.items() if k.endswith(("_ENDPOINT", "_BASE_URL")) and v.startswith("http")), "")  # fmt: skip
    if not url:
        return None
    asked_at, known = _clocks.get(url, (float("-inf"), None))
    if time.monotonic() - asked_at > CLOCK_EVERY_S:
        known = ask_clock(url)
        _clocks[url] = (time.monotonic(), known)
    return known


def ask_clock(url: str) -> Offset | None:
    """From one question and its answer, whatever the answer is. No credentials go along."""
    asked = time.time()
    try:
        with _open(url, {}) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:  # 401 and 404 have their date too
        headers = error.headers
        error.close()
    except (OSError, ValueError):
        return None
    answered = time.time()
    try:
        if headers.get(TIME_HEADER):
            return from_answer(asked, answered, float(headers[TIME_HEADER]))
        said: datetime = parsedate_to_datetime(headers["Date"])
    except (TypeError, ValueError):
        return None
    return from_answer(asked, answered, said.timestamp() + WHOLE_SECOND_S, rounding_s=WHOLE_SECOND_S)


def _open(url: str, headers: dict[str, str]) -> Any:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is no address")
    local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))
    return opener.open(urllib.request.Request(url, headers=headers), timeout=PATIENCE_S)  # noqa: S310 - checked above
