"""What a monitoring system asks: counts and seconds in the text format of Prometheus, and whether the broker is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.membership import Timed
from qhub_ext.broker.summaries import Summaries
from qhub_ext.broker.tables import TIME_BOUNDS_S
from qhub_ext.errors import Cause

Samples = Iterable[tuple[Mapping[str, str], float]]
STATES = ("available", "draining", "maintenance", "down")


def metrics_text(
    desk: Desk, summaries: Summaries | None = None, site: Timed | None = None, threads: Mapping[str, DeviceThread] | None = None,
) -> str:  # fmt: skip
    now = desk.clock()
    facts = {device: desk.turns.facts(device) for device in desk.devices}
    used: Counter[tuple[str, str]] = Counter()
    slices: Counter[tuple[str, str]] = Counter()
    ends = []
    for row in desk.ledger.accounts.totals():
        if row["state"] == "slice":
            used[row["device"], row["profile"]] += row["qpu_s"]
            slices[row["device"], row["profile"]] += row["n"]
        else:
            ends.append(row)
    oldest = desk.standing.oldest()
    calibrations = {device: thread.calibration.known for device, thread in (threads or {}).items()}
    parts: list[tuple[str, str, str, Samples]] = [
        ("tasks", "gauge", "Tasks that wait or run.", [({"device": d, "profile": p, "state": s}, n) for (d, p, s), n in sorted(desk.standing.counts().items())]),
        ("tasks_total", "counter", "Tasks that ended.", [({"device": r["device"], "profile": r["profile"], "state": r["state"], "cause": _cause(r["cause"])}, r["n"]) for r in ends]),
        ("oldest_task_seconds", "gauge", "For how long the oldest waiting task has waited.", [({"profile": p}, max(0.0, now - at)) for p, at in sorted(oldest.items())]),
        ("device_up", "gauge", "Whether the device answers.", [({"device": d}, float(not desk.turns.trouble(d))) for d in desk.devices]),
        ("device_state", "gauge", "1 for the state that the device is in.", [({"device": d, "state": s}, float(f.state(now) == s)) for d, f in facts.items() for s in STATES]),
        ("lease_seconds", "gauge", "For how long one session still has the device to itself.", [({"device": d}, 0.0 if f.lease is None else f.lease.until - now) for d, f in facts.items()]),
        ("window_seconds", "gauge", "Until the next calibration window; 0 in one.", [({"device": d}, max(0.0, f.window[0] - now)) for d, f in facts.items() if f.window]),
        ("sessions", "gauge", "Open sessions.", [({}, len(desk.ledger.open_sessions()))]),
        ("slices_total", "counter", "Slices that ended.", [({"device": d, "profile": p}, n) for (d, p), n in sorted(slices.items())]),
        ("calibration_age_seconds", "gauge", "Of the calibration that the device tells of.", [({"device": d}, max(0.0, now - k.taken_at)) for d, k in calibrations.items() if k]),
        ("calibration_error_median", "gauge", "Median error of that calibration.", [({"device": d, "kind": kind}, value) for d, k in calibrations.items() if k for kind, value in k.medians.items()]),
        ("qpu_seconds_total", "counter", "Seconds of QPU of slices that ended.", [({"device": d, "profile": p}, s) for (d, p), s in sorted(used.items())]),
    ]  # fmt: skip
    if summaries is not None:
        ended, lost = summaries.counted()
        parts += [
            ("job_attempts_total", "counter", "Attempts of jobs that were told of at their end.", [({"tier": t, "state": s, "cause": c}, n) for (t, s, c), n in sorted(ended.items())]),
            ("job_lost_seconds_total", "counter", "Time that attempts ran which ended badly.", [({"tier": t, "cause": c}, n) for (t, c), n in sorted(lost.items())]),
        ]  # fmt: skip
    lines = []
    for name, kind, words, samples in parts:
        lines += [*_head(name, kind, words), *(_line(name, labels, value) for labels, value in samples)]
    times = desk.ledger.accounts.task_times()
    lines += _histogram("task_wait_seconds", "From submission to the first slice on a device.", times, "wait")
    lines += _histogram("task_run_seconds", "From the first slice to the end.", times, "run")
    if site is not None:
        lines += _head(
            "site_call_seconds", "summary", "Questions to the site scheduler about whose job it is and what has ended."
        )
        lines += [_line("site_call_seconds_sum", {}, site.seconds), _line("site_call_seconds_count", {}, site.calls)]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, words: str) -> list[str]:
    return [f"# HELP qhub_broker_{name} {words}", f"# TYPE qhub_broker_{name} {kind}"]


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"qhub_broker_{name}{f'{{{told}}}' if told else ''} {value:.15g}"


def _histogram(name: str, words: str, rows: Iterable[Mapping[str, Any]], what: str) -> list[str]:
    lines = _head(name, "histogram", words)
    for row in rows:
        labels = {"profile": row["profile"]}
        for n, bound in enumerate(TIME_BOUNDS_S):
            lines.append(_line(f"{name}_bucket", {**labels, "le": f"{bound:g}"}, row[f"{what}_{n}"]))
        lines.append(_line(f"{name}_bucket", {**labels, "le": "+Inf"}, row[f"{what}_count"]))
        lines += [
            _line(f"{name}_sum", labels, row[f"{what}_sum"]),
            _line(f"{name}_count", labels, row[f"{what}_count"]),
        ]
    return lines


def _cause(told: str | None) -> str:
    """Few series, whatever a client writes."""
    return told if told in set(Cause) else "" if not told else "other"


def health_of(desk: Desk, version: str, dead: Iterable[str]) -> dict[str, Any]:
    """`ok` False, with the reasons, when something is wrong that an operator should look at; a device that is down is the device's."""
    troubles = [f"the thread of {device} has ended" for device in dead]
    try:
        desk.ledger.book.drained()
    except LedgerError as error:
        troubles.append(error.message)
    return {"ok": not troubles, "troubles": troubles, "version": version, "devices": {d: desk.turns.facts(d).state(desk.clock()) for d in desk.devices}}  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
