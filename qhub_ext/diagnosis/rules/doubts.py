"""A job that completed, and whose results are not what they seem."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from qhub_ext.diagnosis.chance import too_few
from qhub_ext.diagnosis.evaluation import Rules
from qhub_ext.diagnosis.evidence import Clue, Confidence, Evidence, Finding
from qhub_ext.errors import Audience, Cause

SKEW_S = 2.0
"""Clocks that differ by more are told: less is lost in the way of a message."""


def dead_edges(seen: Evidence) -> Finding | None:
    hits = [(number, f) for number, f in _noted(seen, "dead")]
    if not hits:
        return None
    number, found = hits[0]
    places = ["-".join(map(str, place)) for place in (found.get("numbers") or {}).get("places") or ()]
    clues = [Clue(str(found.get("sentence", "")), _task(seen, number), "timeline")]
    clues += [
        Clue(
            f"{place}: switched off",
            f"calibration {seen.snapshots[-1][:23] if seen.snapshots else ''}".strip(),
            "calibration",
        )
        for place in places[:4]
    ]
    simulated = (
        " The tier local simulates no errors: these results are not touched, those of the device would be."
        if seen.record.spec.tier == "local"
        else ""
    )
    return Finding(
        "dead edge", Cause.CALIBRATION, f"It used gates that the device has switched off ({', '.join(places[:6])}).{simulated}", tuple(clues),
        Audience.YOU, str(found.get("advice", "")), confidence=Confidence.POSSIBLE if simulated else Confidence.SURE,
    )  # fmt: skip


def calibrated_meanwhile(seen: Evidence) -> Finding | None:
    """One task ran under two calibrations, or the job was made for another than it ran under."""
    split = next((s for s in _sent(seen) if len(dict.fromkeys(s.get("snapshots") or ())) > 1), None)
    if split is None and len(seen.snapshots) < 2:
        return None
    if split is not None:
        sentence = f"{seen.record.spec.device} was calibrated while its task {split.get('task', '')} ran: parts of one result have different noise."
    else:
        sentence = f"{seen.record.spec.device} was calibrated between the job's submission and its last task: circuits laid out for the old numbers ran under new ones."
    clues = [
        Clue(f"snapshot {identity[:23]}", seen.place(seen.folder.calibration), "calibration")
        for identity in seen.snapshots[:3]
    ]
    if seen.drift is not None:
        clues += [
            Clue(
                f"{m.quantity} of {m.place}: {_value(m.before)} before, {_value(m.after)} after",
                "calibration",
                "calibration",
            )
            for m in seen.drift.largest(3)
        ]
    return Finding(
        "calibration changed", Cause.CALIBRATION, sentence, tuple(clues), Audience.YOU,
        "`qhub calibration --job JOB` shows what moved; transpile again and rerun, or set qpu.on_calibration_change = \"restart\".",
        again=True, confidence=Confidence.SURE if split is not None else Confidence.LIKELY,
    )  # fmt: skip


def far_from_expected(seen: Evidence) -> Finding | None:
    """Where a task knows how many of its shots had to fall among the outcomes of the ideal circuit: fewer than chance explains."""
    for number, found in _noted(seen, "expected-outcomes"):
        n = found.get("numbers") or {}
        hits, shots, success = int(n.get("hits", 0)), int(n.get("shots", 0)), float(n.get("success", 0.0))
        chance = too_few(hits, shots, success)
        if chance < 1e-3:
            sentence = f"Of {shots} shots {hits} gave an outcome that the circuit can give without errors; the calibration promised {success:.1%} or more of them, and chance explains so few in {chance:.1g} of cases."
            return Finding("far from expected", Cause.CALIBRATION, sentence, (Clue(f"{hits} of {shots}", _task(seen, number), "timeline"),), Audience.DEVICE, "Look at the calibration's age and at what moved since; run it again after the next one.", again=True, confidence=Confidence.LIKELY)  # fmt: skip
    return None


def options_ignored(seen: Evidence) -> Finding | None:
    hits = [*_noted(seen, "option-without-effect"), *_noted(seen, "option-not-simulated")]
    if not hits:
        return None
    clues = tuple(Clue(str(f.get("sentence", "")), _task(seen, number), "timeline") for number, f in hits[:4])
    return Finding(
        "option ignored",
        Cause.CODE,
        f"An option had no effect: {clues[0].text}",
        clues,
        Audience.YOU,
        "Leave it out, or choose a tier that honours it.",
    )


def output_cut(seen: Evidence) -> Finding | None:
    note = next((n for n in seen.notes if "of output" in n and ("cut" in n or "written" in n)), None)
    if note is None:
        return None
    return Finding(
        "output cut",
        Cause.RESOURCES,
        f"Not all that it printed was kept: {note}",
        (seen.in_outcome(note, "outputs"),),
        Audience.YOU,
        "Print less, or raise limits.output_mb.",
    )


def names_missing(seen: Evidence) -> Finding | None:
    missing = [n for n in seen.notes if "did not come back" in n]
    if not missing:
        return None
    advice = "Ask for it in a form that travels: numbers, arrays, counts, circuits."
    if ";" in missing[0]:  # the note says itself what to do
        advice = ""
    elif re.search(r"the cell (has not set|deleted) it", missing[0]):
        advice = "Let the cell end with it bound, or leave it out of --out."
    return Finding(
        "name missing",
        Cause.CODE,
        missing[0],
        tuple(seen.in_outcome(n, "captured") for n in missing[:4]),
        Audience.YOU,
        advice,
    )


def packages_differ(seen: Evidence) -> Finding | None:
    notes = [
        n
        for n in seen.notes
        if n.count(".") >= 2
        and ("here" in n or "notebook" in n)
        and "did not come back" not in n
        and any(c.isdigit() for c in n)
    ]
    if not notes:
        return None
    return Finding(
        "package differs",
        Cause.ENVIRONMENT,
        notes[0],
        tuple(seen.in_outcome(n, "runtime") for n in notes[:4]),
        Audience.YOU,
        "Use the same versions on both sides.",
        confidence=Confidence.LIKELY,
    )


def task_failed_quietly(seen: Evidence) -> Finding | None:
    for number, task in enumerate(seen.tasks, 1):
        if task.get("error"):
            told = str(task["error"].get("message", ""))
            try:
                cause = Cause(task["error"].get("cause") or "unknown")
            except ValueError:
                cause = Cause.UNKNOWN
            sentence = f"A quantum task of it failed, and the cell went on without: {told}"
            return Finding(
                "task failed",
                cause,
                sentence,
                (Clue(told[:300], _task(seen, number), "timeline"),),
                Audience.YOU,
                str(task["error"].get("advice", "")),
                confidence=Confidence.LIKELY,
            )
    return None


def clocks_differ(seen: Evidence) -> Finding | None:
    """A runner that began before its job was submitted, or ended before it began."""
    a = seen.record.attempt
    asked = seen.record.asked_at if a.number == 1 else a.queued_at
    steps = [("submitted", asked), ("running", a.running_at), ("ended", a.ended_at)]
    known = [(name, at) for name, at in steps if at is not None]
    for (before, at), (after, then) in itertools.pairwise(known):
        if then < at - SKEW_S:
            clue = Clue(
                f"{before} {at:.1f}, {after} {then:.1f} (s since 1970)", seen.place(seen.folder.journals), "timeline"
            )
            return Finding("clocks differ", Cause.INTEGRATION, f"The clocks of its node and of the place of submission differ by {at - then:.0f} s at least: times between the two are wrong.", (clue,), Audience.SITE, "Ask the site to synchronise its clocks; results are not touched.", confidence=Confidence.LIKELY)  # fmt: skip
    return None


def unlikely_to_pass(seen: Evidence) -> Finding | None:
    hit = next(((number, f) for number, f in _noted(seen, "expected-success") if f.get("severity") == "warn"), None)
    if hit is None:
        return None
    number, found = hit
    return Finding(
        "little signal",
        Cause.CALIBRATION,
        str(found.get("sentence", "")),
        (Clue(str(found.get("numbers", "")), _task(seen, number), "timeline"),),
        Audience.YOU,
        str(found.get("advice", "")),
        confidence=Confidence.LIKELY,
    )


def _noted(seen: Evidence, kind: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, task in enumerate(seen.tasks, 1):
        for found in task.get("findings") or ():
            if found.get("kind") == kind:
                yield number, found


def _sent(seen: Evidence) -> Iterator[Mapping[str, Any]]:
    for task in seen.tasks:
        yield from task.get("device_tasks") or ()


def _task(seen: Evidence, number: int) -> str:
    return f"{seen.place(seen.attempt.tasks)}, task {number}"


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


COMPLETED = Rules((dead_edges, calibrated_meanwhile, far_from_expected, task_failed_quietly, options_ignored, output_cut, names_missing, packages_differ, unlikely_to_pass, clocks_differ))  # fmt: skip
