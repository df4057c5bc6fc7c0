"""What became of a job: the fold of its journals.

Events are plain dicts, each written by one process into a journal of its own (`qhub_ext.jobfolder.journal`):

    {"at": 1790000000.1, "attempt": 1, "kind": "state", "state": "queued", ...}     `at` in s since 1970 UTC

| kind | fields | written by |
|---|---|---|
| state | state; reason, word (the site's own), cause, message, advice | client, site, runner |
| phase | phase (node, broker, device), text | runner |
| request | verb, by | client |
| snapshot | moment (submission, start), id, taken_at: the device's calibration then | client, runner |
| note | text | any |
| spans | data: how long capture and submission took, in OTLP JSON; no part of the record | client |

`fold` accepts them in any order, repeated or late, and always gives the same answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State, advance


@dataclass(frozen=True)
class Attempt:
    """One try of the site to run the job. Moments in s since 1970 UTC, None where it did not come to that. `qpu_s` seconds of devices."""

    number: int = 1
    state: State = State.CREATED
    queued_at: float | None = None
    started_at: float | None = None
    running_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    word: str = ""
    cause: str | None = None
    message: str = ""
    advice: str = ""
    phase: str = ""
    qpu_s: float | None = None
    phase_text: str = ""


@dataclass(frozen=True, repr=False)
class JobRecord:
    spec: JobSpec
    state: State
    attempts: tuple[Attempt, ...]
    submitted_at: float | None = None
    site_id: str | None = None
    notes: tuple[str, ...] = ()
    requests: tuple[dict[str, Any], ...] = ()
    snapshots: dict[str, str] = field(default_factory=dict)
    done: int | None = None
    as_of: float | None = None
    stale_since: float | None = None
    standing: str = ""
    """Where it stands among those that wait, in words; only where somebody asked for it."""
    starts_by: float | None = None
    """When a job that waits starts at the latest, where its site tells that along with its state."""
    parts: tuple[JobRecord, ...] = field(default=(), repr=False, compare=False)
    """Those of the elements that an array's record was put together from."""

    def __repr__(self) -> str:
        """Short: `job.wait()` at the end of a cell shows it."""
        told = f": {self.attempt.message}" if self.attempt.message else ""
        return f"<JobRecord {self.id} {self.state.value}{told}>"

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def attempt(self) -> Attempt:
        return self.attempts[-1]

    @property
    def doubt(self) -> str:
        """What makes the results of one that completed doubtful, in a sentence; "" where nothing does."""
        return self.attempt.message if self.state is State.COMPLETED and self.spec.size is None else ""

    @property
    def asked_at(self) -> float | None:
        """When it was submitted; of an element of an array, when the site queued it."""
        return self.submitted_at if self.submitted_at is not None else self.attempts[0].queued_at

    @property
    def waiting_s(self) -> float | None:
        """From submission, or from the requeue that began this attempt, to the first sign of the runner or to the end."""
        begin = self.asked_at if len(self.attempts) == 1 else self.attempt.queued_at
        end = self.attempt.running_at or self.attempt.ended_at
        return None if begin is None or end is None else max(0.0, end - begin)

    @property
    def qpu_s(self) -> float | None:
        """Seconds of devices over all attempts that have ended; None where none was used."""
        used = [attempt.qpu_s for attempt in self.attempts if attempt.qpu_s is not None]
        return sum(used) if used else None

    @property
    def running_s(self) -> float | None:
        begin, end = self.attempt.running_at, self.attempt.ended_at
        return None if begin is None or end is None else max(0.0, end - begin)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.spec.name,
            "kind": self.spec.kind,
            "tier": self.spec.tier,
            "device": self.spec.device,
            "resource": self.spec.resource,
            "site": self.spec.site,
            "profile": self.spec.profile,
            "shots": self.spec.shots,
            "time_s": self.spec.time_s,
            "state": self.state.value,
            "cause": self.attempt.cause,
            "message": self.attempt.message,
            "advice": self.attempt.advice,
            "reason": self.attempt.reason,
            "phase": self.attempt.phase,
            "phase_text": self.attempt.phase_text,
            "created_at": self.spec.created_at,
            "submitted_at": self.asked_at,
            "started_at": self.attempt.started_at,
            "running_at": self.attempt.running_at,
            "ended_at": self.attempt.ended_at,
            "waiting_s": self.waiting_s,
            "running_s": self.running_s,
            "qpu_s": self.qpu_s,
            "site_id": self.site_id,
            "size": self.spec.size,
            "done": self.done,
            "element": None if self.spec.element is None else self.spec.element.index,
            "attempts": [{**dataclasses.asdict(a), "state": a.state.value} for a in self.attempts],
            "notes": list(self.notes),
            "as_of": self.as_of,
            "stale_since": self.stale_since,
            "standing": self.standing,
            "starts_by": self.starts_by,
        }


@dataclass
class _Draft:
    state: State = State.CREATED
    fields: dict[str, Any] = field(default_factory=dict)


_WHEN = {
    State.QUEUED: "queued_at",
    State.HELD: "queued_at",
    State.STARTING: "started_at",
    State.RUNNING: "running_at",
}


def fold(
    spec: JobSpec, events: Iterable[dict[str, Any]], outcomes: dict[int, dict[str, Any]] | None = None
) -> JobRecord:
    """The record that these events and sealed outcomes (by attempt number) add up to.

    An outcome is the runner's own sealed word and stands above what others supposed about the same attempt.
    """
    outcomes = outcomes or {}
    drafts: dict[int, _Draft] = {n: _Draft() for n in outcomes}
    submitted_at: float | None = None
    site_id: str | None = None
    notes: list[str] = []
    requests: list[dict[str, Any]] = []
    snapshots: dict[str, str] = {}
    for event in sorted(events, key=lambda e: e.get("at", 0.0)):
        kind, at, number = event.get("kind"), event.get("at", 0.0), int(event.get("attempt", 1))
        if kind == "note":
            notes.append(str(event.get("text", "")))
        elif kind == "request":
            requests.append(event)
        elif kind == "snapshot":
            snapshots[str(event.get("moment", ""))] = str(event.get("id", ""))
        elif kind == "phase":
            draft = drafts.setdefault(number, _Draft())
            draft.fields["phase"], draft.fields["phase_text"] = (str(event.get(n, "")) for n in ("phase", "text"))
        elif kind == "state":
            try:
                heard = State(event.get("state", ""))
            except ValueError:  # a word from a newer version: kept as a note, never an error
                notes.append(f"unknown state {event.get('state')!r}")
                continue
            if heard is State.SUBMITTED:
                submitted_at = at if submitted_at is None else min(at, submitted_at)
            site_id = event["site_id"] if isinstance(event.get("site_id"), str) else site_id
            _hear(drafts.setdefault(number, _Draft()), heard, at, event)
    for number, outcome in sorted(outcomes.items()):
        _seal(drafts[number], outcome)
        if number == max(drafts):
            notes.extend(str(note) for note in outcome.get("notes") or () if str(note) not in notes)
    attempts = tuple(Attempt(number=n, state=drafts[n].state, **drafts[n].fields) for n in sorted(drafts)) or (
        Attempt(),
    )
    return JobRecord(
        spec=spec,
        state=attempts[-1].state,
        attempts=attempts,
        submitted_at=submitted_at,
        site_id=site_id,
        notes=tuple(notes),
        requests=tuple(requests),
        snapshots=snapshots,
    )


def _hear(draft: _Draft, heard: State, at: float, event: dict[str, Any]) -> None:
    moment = _WHEN.get(heard)
    if moment:
        draft.fields.setdefault(moment, at)
    before = draft.state
    draft.state = advance(before, heard)
    if draft.state is heard:
        if heard.final and not before.final:
            draft.fields["ended_at"] = at
        if heard.final and before is State.LOST:  # somebody knew better
            draft.fields["ended_at"] = at
        told = {k: event[k] for k in ("reason", "word", "cause", "message", "advice") if k in event}
        draft.fields.update({k: v for k, v in told.items() if isinstance(v, str) or (v is None and k == "cause")})
        if not heard.waiting and "reason" not in event:
            draft.fields["reason"] = ""


def _seal(draft: _Draft, outcome: dict[str, Any]) -> None:
    try:
        sealed = State(outcome.get("state", ""))
    except ValueError:
        return
    draft.fields["reason"] = ""
    if not draft.state.final:  # the site's word for it was of a time before the end
        draft.fields["word"] = ""
    # a runner that was stopped without a word does not know why; the site may, and that it was not cancelled but out of time
    told = outcome.get("cause") == "unknown" and draft.fields.get("cause") not in (None, "unknown")
    known = draft.state in (State.TIMED_OUT, State.FAILED)
    if not (told and known and sealed is State.CANCELLED):
        draft.state = sealed
    for key in ("running_at", "ended_at", "qpu_s", *(() if told else ("cause", "message", "advice"))):
        if outcome.get(key) is not None:
            draft.fields[key] = outcome[key]
