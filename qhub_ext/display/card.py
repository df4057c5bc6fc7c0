"""The job card: what a `%%qpu` cell leaves under itself. Static; as plain text, HTML and as JSON for a live renderer."""

from __future__ import annotations

import html
import time
from datetime import datetime
from typing import Any

from qhub_ext.display.words import age, dated, duration, limit, moment, plain, state_words, whole
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State

MIME_TYPE = "application/vnd.qhub.job.v1+json"

# readable on white and on black: the word carries the meaning, the colour only repeats it
_COLOURS = {
    State.COMPLETED: "#2e9e5b",
    State.FAILED: "#d9534f",
    State.TIMED_OUT: "#d9534f",
    State.LOST: "#d9534f",
    State.CANCELLED: "#8a8a8a",
    State.RUNNING: "#2f81d6",
    State.STARTING: "#2f81d6",
    State.FINISHING: "#2f81d6",
}


def card_lines(record: JobRecord, now: float | None = None) -> list[tuple[str, str]]:
    """(label, text) in the order of reading; the same lines in every form of the card."""
    now = time.time() if now is None else now
    spec, attempt = record.spec, record.attempt
    lines = [("state", state_words(record.state))]
    if spec.size is not None:
        lines.append(("elements", f"{spec.size}: {attempt.message}"))
    parts = [spec.tier, spec.device, spec.resource, f"{whole(spec.shots)} shots" if spec.shots else ""]
    lines.append(("runs on", " · ".join(filter(None, parts))))
    if record.state.waiting and record.asked_at is not None:
        why = f" ({attempt.reason})" if attempt.reason else ""
        lines.append(("waiting", f"{age(now - record.asked_at)}{why}"))
        if record.standing:
            lines.append(("place", record.standing))
        if record.starts_by is not None:
            lines.append(("starts", f"by {moment(record.starts_by, now)} at the latest"))
    elif record.waiting_s is not None and not record.state.waiting:
        lines.append(("waited", duration(record.waiting_s)))
    if attempt.running_at is not None:
        if attempt.ended_at is not None:
            lines.append(("ran", f"{duration(attempt.ended_at - attempt.running_at)}, until {dated(attempt.ended_at)}"))
        else:
            lines.append(("running", f"{age(now - attempt.running_at)} of {limit(spec.time_s)}"))
            if (spec.kind == "notebook" or attempt.phase == "device") and attempt.phase_text:
                lines.append(("now", attempt.phase_text))
    if len(record.attempts) > 1:
        lines.append(("attempt", f"{attempt.number}"))
    if attempt.message and record.state is not State.COMPLETED and spec.size is None:
        cause = f" [{attempt.cause}]" if attempt.cause else ""
        lines.append(("because", attempt.message + cause))
    if record.doubt:
        lines.append(("look at", record.doubt))
    if attempt.advice and record.state.final:
        lines.append(("try", attempt.advice))
    if record.stale_since is not None:
        lines.append(("as of", f"{moment(record.stale_since, now)}: the site cannot be reached; stale since then"))
    elif not record.state.final and record.as_of is not None and (record.standing or now - record.as_of >= 1):
        lines.append(("as of", f"{age(now - record.as_of)} ago"))
    notes = [note for note in record.notes if note not in record.doubt]
    lines.extend(("note", _first_line(note)) for note in notes[:5])
    return lines


def _first_line(note: str, at_most: int = 240) -> str:
    """A crash report is a note of a hundred lines; the whole of it is in outcome.json."""
    line, _, more = note.partition("\n")
    return f"{line[:at_most]} …" if more or len(line) > at_most else line


def card_text(record: JobRecord) -> str:
    head = f"Job {short_id(record.id)}  {plain(record.spec.name, 60)}"
    lines = card_lines(record)
    width = max(len(label) for label, _ in lines)
    return "\n".join([head, *(f"  {label:<{width}}  {plain(text)}" for label, text in lines)])


def card_html(record: JobRecord, footer: str = "") -> str:
    colour = _COLOURS.get(record.state, "#b8860b")
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:normal;opacity:.7;padding:1px 12px 1px 0;'
        f'vertical-align:top">{html.escape(label)}</th>'
        f'<td style="text-align:left;padding:1px 0;white-space:normal">{html.escape(plain(text))}</td></tr>'
        for label, text in card_lines(record)
    )
    return (
        f'<div class="qhub-job-card" style="border-left:4px solid {colour};padding:4px 12px;margin:4px 0">'
        f"<div><b>{html.escape(plain(record.spec.name, 80))}</b> <code>{html.escape(short_id(record.id))}</code></div>"
        f'<table style="border-collapse:collapse;margin:2px 0">{rows}</table>{footer}</div>'
    )


def card_bundle(record: JobRecord) -> dict[str, Any]:
    return {"text/plain": card_text(record), "text/html": card_html(record, _age(record)), MIME_TYPE: record.to_json()}


def _age(record: JobRecord) -> str:
    """A card that nothing keeps alive, as in an exported notebook, must not say for ever that its job is queued."""
    if record.state.final:
        return ""
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    return (
        f'<div style="opacity:.7">As of {now}. <code>%qpu job {short_id(record.id)}</code> tells how it went on.</div>'
    )


def card_metadata(job_id: str) -> dict[str, Any]:
    """Beside a card under which the outputs belong, once the job has ended: the front end writes them there."""
    return {"qhub": {"job": job_id, "home": True}}
