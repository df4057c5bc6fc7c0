"""What devices, their services, their broker and their calibration did to a job."""

from __future__ import annotations

import re

from qhub_ext.diagnosis.evidence import Clue, Confidence, Evidence, Finding
from qhub_ext.errors import Audience, Cause

CALIBRATING, MAINTAINED = re.compile(r"calibrat", re.I), re.compile(r"maintenance|drain", re.I)
_STANDS = re.compile(r"paused|offline|down\b|inactive", re.I)

# (rule, pattern in what was told, whose move, cause where it is not the told one), the first that fits
_TOLD: tuple[tuple[str, str, str, Cause | None], ...] = (
    ("result unreadable", r"cannot be (read|decoded)", Audience.SITE, Cause.INTEGRATION),
    ("maintenance", r"\bmaintenance\b|being drained", Audience.SITE, Cause.DEVICE),
    ("calibration window", r"being calibrated|calibration of .* begins", Audience.DEVICE, Cause.CALIBRATION),
    ("gates switched off", r"has them switched off", Audience.YOU, Cause.CALIBRATION),
    ("policy limit", r"the profile .*(allows|gives)|cancelled the task|over a limit|day's limit|has used .* today", Audience.YOU, Cause.QUEUE_POLICY),
    ("credentials", r"does not accept the credentials", Audience.SITE, None),
    ("session ended", r"\bsession\b", Audience.YOU, None),
    ("denied", r"is not open to you|is not one of|broker refused: .*(not allowed|no operator)", Audience.SITE, Cause.QUEUE_POLICY),
    ("too many requests", r"too many requests", Audience.YOU, Cause.QUEUE_POLICY),
    ("broker away", r"broker at .* cannot be reached", Audience.SITE, Cause.INTEGRATION),
    ("wrong address", r"cannot be reached", Audience.SITE, Cause.INTEGRATION),
    ("unknown resource", r"is not known to its service|No quantum resource", Audience.SITE, None),
    ("configuration", r"configured wrongly|lacks a variable", Audience.SITE, None),
    ("no answer", r"did not answer to", Audience.SITE, None),
    ("task failed", r"The task \S+ failed on|ended as Failed", Audience.DEVICE, Cause.DEVICE),
    ("service failed", r"failed inside its own service|is not available at the moment", Audience.DEVICE, None),
)  # fmt: skip


def told_by_device(seen: Evidence) -> Finding | None:
    """An error of ours that the cell got from a primitive, or raised its own in place of."""
    said = next((error for error in seen.raised if error.told), None)
    if said is None:
        return None
    told = said.told
    cause = _cause(told.get("cause"))
    message = str(told.get("message", ""))
    rule, audience, other = next(
        ((name, whose, also) for name, pattern, whose, also in _TOLD if re.search(pattern, message)),
        (str(told.get("error", "")) or "told", str(told.get("audience") or Audience.SITE), None),
    )
    if cause is Cause.CODE and other is None:
        return None  # a slip that pre-flight refused: the rules of the code say it
    uncertain = told.get("error") == "UncertainTaskError"
    direct = said is seen.raised[0]
    return Finding(
        "task uncertain" if uncertain and rule in ("no answer", "UncertainTaskError") else rule,
        other or cause,
        message,
        (*seen.in_traceback(), *seen.in_device_journal()),
        audience,
        str(told.get("advice", "")),
        again=bool(told.get("transient")) and not uncertain,
        confidence=Confidence.SURE if direct and (other or cause) is not Cause.UNKNOWN else Confidence.LIKELY,
    )


def refused_at_start(seen: Evidence) -> Finding | None:
    """No traceback, as the runner itself refused; its words are those of a device or its broker."""
    if seen.raised or not seen.message or seen.state != "failed":
        return None
    hit = next(
        (
            (name, whose, also)
            for name, pattern, whose, also in _TOLD
            if re.search(pattern, seen.message) and name not in ("wrong address", "session ended")
        ),
        None,
    )
    if hit is None or not seen.sent:
        return None
    return Finding(
        hit[0],
        hit[2] or seen.cause,
        seen.message,
        (seen.in_outcome(seen.message), *seen.in_device_journal()),
        hit[1],
        seen.record.attempt.advice,
        confidence=Confidence.LIKELY,
    )


def time_went_at_the_device(seen: Evidence) -> Finding | None:
    """The wall time ran out, and what it ran out on was a device that did not take the task."""
    attempt = seen.record.attempt
    open_ones = [task for task in seen.sent if task.state in ("queued", "sending", "cancelled")]
    if seen.state != "timed_out" or not open_ones:
        return None
    task, words = open_ones[-1], attempt.phase_text
    ended = attempt.ended_at or task.changed_at
    waited = max(0.0, ended - task.sent_at)
    share = waited / max(1e-9, ended - (attempt.running_at or task.sent_at))
    if CALIBRATING.search(words):
        rule, cause, why = "calibration window", Cause.CALIBRATION, "which was being calibrated"
    elif _STANDS.search(words) or MAINTAINED.search(words):
        rule, cause, why = "device stood still", Cause.DEVICE, "which took no tasks"
    else:
        rule, cause, why = "device busy", Cause.DEVICE, "which did not come to it"
    clues = (
        Clue(words or "queued", seen.place(seen.attempt.device_journal), "timeline"),
        seen.in_outcome(seen.message),
    )
    return Finding(
        rule, cause,
        f"The wall time of {seen.record.spec.time_s} s ran out: for {waited:.0f} s of it ({share:.0%}) its task waited at {task.resource}, {why}.",
        clues, Audience.DEVICE, "Submit it again when the device takes tasks (`qhub devices`), or with more --time.", again=True,
        confidence=Confidence.SURE if share > 0.5 and words else Confidence.LIKELY,
    )  # fmt: skip


def tasks_left_open(seen: Evidence) -> Finding | None:
    left = [task for task in seen.sent if task.open]
    if not left or seen.state == "completed":
        return None
    names = ", ".join(task.task or "one whose id never came" for task in left[:3])
    sentence = f"{len(left)} of its tasks may still be on {left[0].resource}: {names}."
    return Finding(
        "task open",
        Cause.INTEGRATION,
        sentence,
        seen.in_device_journal(),
        Audience.SITE,
        "Ask what became of it before the job is sent once more: `qhub explain JOB` asks the device.",
        confidence=Confidence.POSSIBLE,
    )


def _cause(word: object) -> Cause:
    try:
        return Cause(str(word))
    except ValueError:
        return Cause.UNKNOWN


RULES = (told_by_device, refused_at_start, time_went_at_the_device, tasks_left_open)
