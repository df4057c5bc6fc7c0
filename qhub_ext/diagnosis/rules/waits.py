"""A job that waits, or that runs and waits for a device."""

from __future__ import annotations

import re

from qhub_ext.diagnosis.evaluation import Rules
from qhub_ext.diagnosis.evidence import NOBODY, Clue, Confidence, Evidence, Finding
from qhub_ext.diagnosis.rules.device import CALIBRATING, MAINTAINED
from qhub_ext.errors import Audience, Cause
from qhub_ext.job.record import Attempt
from qhub_ext.job.state import State
from qhub_ext.job.unexplained import is_unexplained
from qhub_ext.sites.embedded.policy import DEPENDENCY, HELD_BY_USER, LAUNCH_FAILED, PRIORITY, RESOURCES, TOO_WIDE
from qhub_ext.sites.slurm.reasons import is_known
from qhub_ext.sites.slurm.states import STATES

_USER = re.compile(r"JobHeldUser|BeginTime|job requeued in held state")
_BROKEN = re.compile(
    r"NodeDown|FrontEndDown|JobLaunchFailure|launch failed|SystemFailure|LaunchFailed|BurstBufferOperation|BlockMaxError"
)
_OURS = frozenset({DEPENDENCY, HELD_BY_USER, LAUNCH_FAILED, PRIORITY, RESOURCES, TOO_WIDE})


def not_sent(seen: Evidence) -> Finding | None:
    reason = seen.record.attempt.reason
    if "submission was interrupted" not in reason:
        return None
    return Finding(
        "not sent",
        Cause.INTEGRATION,
        reason,
        (Clue(seen.state, seen.place(seen.folder.journals), "attempts"),),
        Audience.YOU,
        "`requeue` sends it again.",
        again=True,
    )


def site_silent(seen: Evidence) -> Finding | None:
    if not seen.silent:
        return None
    return Finding(
        "site silent",
        Cause.INTEGRATION,
        f"The site cannot be asked: {seen.silent}",
        (Clue(seen.silent, f"site {seen.record.spec.site}", "timeline"),),
        Audience.SITE,
        "What is shown is as old as it says. `qhub doctor` looks into it.",
        again=True,
    )


def back_in_the_queue(seen: Evidence) -> Finding | None:
    """An attempt was taken from its node, and the next one waits: why, is what ended the one before it."""
    before = _before(seen)
    if before is not None and _is_unsettled(before) and seen.record.state is not State.HELD:
        told = f"It waits for its next attempt. Why attempt {before.number} ended is asked of the site."
        clue = Clue(before.message or before.state.value, f"attempt {before.number}", "attempts")
        return Finding(
            "back in the queue", Cause.UNKNOWN, told, (clue,), Audience.SITE, "Look again in a moment.", confidence=Confidence.POSSIBLE
        )  # fmt: skip
    if before is None or before.cause not in (Cause.QUEUE_POLICY.value, Cause.INTEGRATION.value) or not before.message:
        return None
    clues = (Clue(before.message, f"attempt {before.number}", "attempts"),)
    held = seen.record.state is State.HELD
    trust = Confidence.SURE if _on_the_way(seen) and not held else Confidence.LIKELY
    waits = "was put back into the queue, and is held" if held else "waits for its next attempt"
    return Finding(
        "back in the queue", Cause(before.cause), f"It {waits}. Of attempt {before.number}: {before.message}", clues,
        Audience.YOU if held else Audience.SITE,
        "`release` lets it run again." if held else "Nothing needs to be done: it starts again by itself.",
        again=True, confidence=trust, word=before.word,
    )  # fmt: skip


def _before(seen: Evidence) -> Attempt | None:
    attempts = seen.record.attempts
    return attempts[-2] if len(attempts) > 1 else None


def _is_unsettled(attempt: Attempt) -> bool:
    """The site has put the job back, and has yet to say what became of this attempt."""
    return not attempt.state.final or is_unexplained(attempt)


def _on_the_way(seen: Evidence) -> bool:
    """Slurm puts a job back with an earliest start of its own, and has no other reason until then."""
    word = "" if seen.waits is None else seen.waits.word
    return len(seen.record.attempts) > 1 and word in ("", "None", "BeginTime", "Cleaning")


def site_reason(seen: Evidence) -> Finding | None:
    """The site's own reason. Its words are known; what they mean for the cause is here."""
    reason = seen.waits
    if reason is None:
        return None
    word, before = reason.word, _before(seen)
    if word == "BeginTime" and reason.audience == Audience.YOU:
        cause, trust = Cause.USER, Confidence.SURE
    elif _on_the_way(seen):
        cause, trust = Cause.QUEUE_POLICY, Confidence.POSSIBLE
    elif word == "ReqNodeNotAvail":
        reserved = re.search(r"reserv|maint", reason.sentence.partition(".")[2], re.I)
        cause, trust = (Cause.QUEUE_POLICY if reserved else Cause.INTEGRATION), Confidence.LIKELY
    elif word == "JobArrayTaskLimit" and "array-running" in seen.record.spec.site_options:
        cause, trust = Cause.USER, Confidence.SURE
    elif word.startswith("job requeued") and not any(
        r.get("verb") in ("hold", "requeue") for r in seen.record.requests
    ):
        cause, trust = Cause.QUEUE_POLICY, Confidence.LIKELY  # nobody asked for it here
    elif _USER.search(word):
        cause, trust = Cause.USER, Confidence.SURE
    elif _BROKEN.search(word):
        cause, trust = Cause.INTEGRATION, Confidence.SURE
    elif word == RESOURCES and "out of service" in reason.sentence:
        cause, trust = Cause.INTEGRATION, Confidence.LIKELY
    elif word and (word in _OURS or is_known(word)):
        cause, trust = Cause.QUEUE_POLICY, Confidence.SURE
    else:
        cause, trust = Cause.UNKNOWN, Confidence.POSSIBLE
    if cause is Cause.QUEUE_POLICY and before is not None and _is_unsettled(before):
        trust = Confidence.POSSIBLE  # nobody knows yet why it is back in the queue
    clue = Clue(word or "no reason", f"the reason that the site {seen.record.spec.site!r} gives", "timeline")
    return Finding("site", cause, reason.sentence, (clue,), reason.audience, reason.advice, confidence=trust, word=word)


def suspended(seen: Evidence) -> Finding | None:
    """It has its node, and the site lets it stand."""
    word = seen.record.attempt.word
    known = STATES.get(word.split()[0] if word else "")
    if known is None or known.cause is None or known.ended or known.state.waiting:
        return None
    clue = Clue(word, "the site's word for its state", "attempts")
    return Finding("suspended", known.cause, known.sentence, (clue,), known.audience, known.advice, word=word)


def at_broker(seen: Evidence) -> Finding | None:
    if not seen.broker or seen.record.state is State.FINISHING:
        return None
    cause = (
        Cause.CALIBRATION
        if CALIBRATING.search(seen.broker)
        else Cause.DEVICE
        if MAINTAINED.search(seen.broker) or " down " in seen.broker
        else Cause.QUEUE_POLICY
    )
    rule = {Cause.CALIBRATION: "calibration window", Cause.DEVICE: "maintenance"}.get(cause, "broker")
    return Finding(
        rule,
        cause,
        seen.broker,
        (Clue(seen.broker, "the broker, `qhub broker tasks`", "timeline"), *seen.in_device_journal()),
        Audience.DEVICE,
    )


def at_device(seen: Evidence) -> Finding | None:
    attempt = seen.record.attempt
    if attempt.phase != "device" or not attempt.phase_text or seen.record.state is State.FINISHING:
        return None
    words = attempt.phase_text
    silent = "does not say why" in words
    cause = Cause.CALIBRATION if CALIBRATING.search(words) else Cause.DEVICE
    sentence = f"It is running on its node and {words}."
    clue = Clue(words, seen.place(seen.attempt.device_journal), "timeline")
    rule = (
        "calibration window" if cause is Cause.CALIBRATION else "maintenance" if MAINTAINED.search(words) else "device"
    )
    return Finding(
        rule, cause, sentence, (clue,), Audience.DEVICE, confidence=Confidence.LIKELY if silent else Confidence.SURE
    )


def running(seen: Evidence) -> Finding | None:
    attempt, state = seen.record.attempt, seen.record.state
    if state in (State.STARTING, State.FINISHING):
        sentence = attempt.message or f"It is {state.value} and waits for nothing."
        return Finding("running", Cause.UNKNOWN, sentence, audience=NOBODY, confidence=Confidence.POSSIBLE)
    text = f" ({attempt.phase_text})" if attempt.phase_text else ""
    sentence = (
        f"It is running{text} and waits for nothing."
        if attempt.phase in ("", "node")
        else f"It is running: {attempt.phase_text or attempt.phase}."
    )
    return Finding("running", Cause.UNKNOWN, sentence, audience=NOBODY, confidence=Confidence.POSSIBLE)


WAITING = Rules((not_sent, site_silent, back_in_the_queue, site_reason))
RUNNING = Rules((suspended, at_broker, at_device), (running,))
