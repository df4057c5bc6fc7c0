"""What the broker tells of a task and of a device, as plain data: to its owner, to others, and as pieces of a trace."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

from qhub_ext.broker.desk import Desk, TaskState
from qhub_ext.broker.policy import Wait
from qhub_ext.broker.rows import TaskRow
from qhub_ext.display.words import span
from qhub_ext.telemetry.answers import Piece
from qhub_ext.telemetry.context import parse_traceparent


def described(desk: Desk, found: TaskState) -> dict[str, Any]:
    """A task for its owner. Moments in s since 1970 UTC, `qpu_s` in seconds of QPU."""
    row = found.row
    trace = parse_traceparent(row.traceparent)
    return {
        **summary(row, mine=True),
        **waits(desk, row.id, found.wait),
        "device_state": found.device_state,
        "on_calibration_change": row.on_calibration_change,
        "doubt": _doubt(found),
        "trace_id": trace.trace_id if trace else "",
        "cause": row.cause,
        "message": row.message,
        "advice": row.advice,
        "slices": [
            {"number": s.number, "state": s.state, "vendor": s.vendor, "sent_at": s.sent_at, "ended_at": s.ended_at, "qpu_s": s.qpu_s,
             "snapshot": s.snapshot, "stale": bool(s.stale), "units": sum(p.units for p in s.pieces)}
            for s in found.slices
        ],
    }  # fmt: skip


def _doubt(found: TaskState) -> str:
    """What a user should know of the results, where the task wants it told."""
    calibrations = {s.snapshot for s in found.slices if s.counts and s.snapshot}
    if len(calibrations) < 2 or found.row.on_calibration_change == "accept":
        return ""
    return f"{found.row.device} was calibrated while it ran: its slices ran under {len(calibrations)} calibrations."


def waits(desk: Desk, task_id: str, wait: Wait | None) -> dict[str, Any]:
    """Why a task waits, and from when to when it is expected to begin: both moments null where there is no saying, the later one where only that is
    not known. `expected` is the same in words.
    """
    begin = None if wait is None else desk.forecasts.of(task_id)
    return {
        "reason": wait.reason if wait else "",
        "why": wait.sentence if wait else "",
        "earliest": begin.earliest if begin else None,
        "latest": begin.latest if begin else None,
        "expected": span(begin.earliest, begin.latest, desk.clock()) if begin else "",
    }


def pieces_of(found: TaskState) -> list[Piece]:
    """Waiting, and its slices, in turn."""
    row, at, pieces = found.row, found.row.submitted_at, []
    for one in sorted(found.slices, key=lambda s: s.sent_at):
        pieces.append(Piece("wait at the broker", "broker_queue", at, one.sent_at))
        told: dict[str, Any] = {"qhub.task.slice": one.number, "qhub.task.units": sum(p.units for p in one.pieces), "qhub.task.state": one.state}  # fmt: skip
        used = {} if one.qpu_s is None else {"qhub.qpu.seconds": one.qpu_s}
        pieces.append(Piece("slice", "transport", one.sent_at, one.ended_at, told | used))
        at = max(at, one.ended_at or one.sent_at)
    if not found.slices:
        pieces.append(Piece("wait at the broker", "broker_queue", at, row.ended_at))
    return [replace(piece, attributes={"qhub.task.vendor_id": row.id, **piece.attributes}) for piece in pieces]


def summary(row: TaskRow, *, mine: bool) -> dict[str, Any]:
    return {
        "id": row.id if mine else "", "mine": mine, "user": row.user, "account": row.account, "profile": row.profile,
        "job": row.job if mine else "", "session": row.session if mine else "", "device": row.device, "program": row.program,
        "state": row.state, "submitted_at": row.submitted_at, "started_at": row.started_at, "ended_at": row.ended_at,
        "deadline_at": row.deadline_at, "priority": row.priority, "done": row.done, "of": row.shots, "qpu_s": row.qpu_s,
    }  # fmt: skip


def device_facts(desk: Desk, name: str, now: float) -> dict[str, Any]:
    facts = desk.turns.facts(name)
    mine = {(profile, state): n for (device, profile, state), n in desk.standing.counts().items() if device == name}
    by_profile: Counter[str] = Counter()
    for (profile, _), n in mine.items():
        by_profile[profile] += n
    return {
        "name": name, "state": facts.state(now), "trouble": desk.turns.trouble(name), "down_since": facts.down_since, "window": facts.window,
        "drained": desk.orders.drained.get(name), "lease": None if facts.lease is None else {"holder": facts.lease.holder, "until": facts.lease.until},
        "waiting": sum(n for (_, state), n in mine.items() if state == "queued"), "running": sum(n for (_, state), n in mine.items() if state == "running"),
        "by_profile": dict(by_profile), "most_shots": None if math.isinf(facts.most_shots) else facts.most_shots,
    }  # fmt: skip
