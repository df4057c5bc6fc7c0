"""What a monitoring system asks: counts and seconds in the text format of Prometheus, and whether the broker is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.desk import Desk

Samples = Iterable[tuple[Mapping[str, str], float]]
STATES = ("available", "draining", "maintenance", "down")


def metrics_text(desk: Desk) -> str:
    now = desk.clock()
    facts = {device: desk.turns.facts(device) for device in desk.devices}
    used: Counter[tuple[str, str]] = Counter()
    slices: Counter[tuple[str, str]] = Counter()
    for row in desk.ledger.usage(0.0):
        used[row["device"], row["profile"]] += row["qpu_s"]
        slices[row["device"], row["profile"]] += row["slices"]
    oldest = desk.standing.oldest()
    parts: list[tuple[str, str, str, Samples]] = [
        ("tasks", "gauge", "Tasks that wait or run.", [({"device": d, "profile": p, "state": s}, n) for (d, p, s), n in sorted(desk.standing.counts().items())]),
        ("tasks_total", "counter", "Tasks that ended.", [({"device": r["device"], "profile": r["profile"], "state": r["state"]}, r["n"]) for r in desk.ledger.count_ended()]),
        ("oldest_task_seconds", "gauge", "For how long the oldest waiting task has waited.", [({"profile": p}, max(0.0, now - at)) for p, at in sorted(oldest.items())]),
        ("device_up", "gauge", "Whether the device answers.", [({"device": d}, float(not desk.turns.trouble(d))) for d in desk.devices]),
        ("device_state", "gauge", "1 for the state that the device is in.", [({"device": d, "state": s}, float(f.state(now) == s)) for d, f in facts.items() for s in STATES]),
        ("lease_seconds", "gauge", "For how long one session still has the device to itself.", [({"device": d}, 0.0 if f.lease is None else f.lease.until - now) for d, f in facts.items()]),
        ("window_seconds", "gauge", "Until the next calibration window; 0 in one.", [({"device": d}, max(0.0, f.window[0] - now)) for d, f in facts.items() if f.window]),
        ("sessions", "gauge", "Open sessions.", [({}, len(desk.ledger.open_sessions()))]),
        ("slices_total", "counter", "Slices that ended.", [({"device": d, "profile": p}, n) for (d, p), n in sorted(slices.items())]),
        ("qpu_seconds_total", "counter", "Seconds of QPU of slices that ended.", [({"device": d, "profile": p}, s) for (d, p), s in sorted(used.items())]),
    ]  # fmt: skip
    lines = []
    for name, kind, words, samples in parts:
        lines += [f"# HELP qhub_broker_{name} {words}", f"# TYPE qhub_broker_{name} {kind}"]
        for labels, value in samples:
            told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(f"qhub_broker_{name}{f'{{{told}}}' if told else ''} {value:.15g}")
    return "\n".join(lines) + "\n"


def health_of(desk: Desk, version: str, dead: Iterable[str]) -> dict[str, Any]:
    """`ok` False, with the reasons, when something is wrong that an operator should look at; a device that is down is the device's."""
    troubles = [f"the thread of {device} has ended" for device in dead]
    try:
        desk.ledger.drained()
    except LedgerError as error:
        troubles.append(error.message)
    return {"ok": not troubles, "troubles": troubles, "version": version, "devices": {d: desk.turns.facts(d).state(desk.clock()) for d in desk.devices}}  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
