"""An end that came from outside of the cell."""

from __future__ import annotations

import re

from qhub_ext.diagnosis.evidence import NOBODY, Clue, Confidence, Evidence, Finding
from qhub_ext.errors import Audience, Cause


def cancelled(seen: Evidence) -> Finding | None:
    if seen.state != "cancelled" or seen.cause is not Cause.USER:
        return None
    asked = [r for r in seen.record.requests if r.get("verb") in ("cancel", "requeue")]
    clues = (
        [
            Clue(
                f"{asked[-1]['verb']} asked for by {asked[-1].get('by', 'its owner')}",
                seen.place(seen.folder.journals),
                "attempts",
            )
        ]
        if asked
        else [seen.in_outcome(seen.message)]
    )
    return Finding(
        "cancelled",
        Cause.USER,
        seen.message or "It was cancelled.",
        tuple(clues),
        NOBODY,
        "`requeue` runs it again.",
        word=seen.record.attempt.word,
    )


def policy(seen: Evidence) -> Finding | None:
    """Preempted, cancelled by somebody else, a dependency that can never be met, a deadline."""
    if seen.raised or seen.cause is not Cause.QUEUE_POLICY or seen.state not in ("cancelled", "failed", "timed_out"):
        return None
    attempt = seen.record.attempt
    preempted = re.search(r"took its place|for another job|stronger claim", seen.message)
    mine = re.search(r"dependency|deadline|profile|reservation", seen.message)
    return Finding(
        "preempted" if preempted else "site policy", Cause.QUEUE_POLICY, seen.message, (seen.in_outcome(seen.message), *_word(seen)),
        Audience.YOU if mine else Audience.SITE, attempt.advice or "`requeue` runs it again.", again=bool(preempted), word=attempt.word,
    )  # fmt: skip


def time_limit(seen: Evidence) -> Finding | None:
    if seen.state != "timed_out" or seen.cause is not Cause.RESOURCES:
        return None
    given = Clue(f"time_s {seen.record.spec.time_s}", seen.place(seen.folder.spec), "code")
    # what it waited for the site is none of its wall time
    spent = {part: s for part, s in seen.breakdown.items() if part not in ("submission", "site queue") and s > 0}
    most = max(spent, key=lambda part: spent[part], default="")
    where = (
        [Clue(f"most of it, {spent[most]:.1f} s, was {most}", "the breakdown, `qhub trace JOB`", "timeline")]
        if most
        else []
    )
    return Finding(
        "time limit",
        Cause.RESOURCES,
        seen.message,
        (seen.in_outcome(seen.message), given, *where, *_word(seen)),
        advice=seen.record.attempt.advice or "Ask for more with --time.",
        word=seen.record.attempt.word,
    )


def resources(seen: Evidence) -> Finding | None:
    """Memory and disk, as the runner or the site saw it."""
    if seen.raised or seen.state != "failed" or seen.cause is not Cause.RESOURCES:
        return None
    rule = "disk full" if re.search(r"disk|file system|quota|room", seen.message) else "memory"
    return Finding(
        rule,
        Cause.RESOURCES,
        seen.message,
        (seen.in_outcome(seen.message), *_word(seen), *seen.in_console()),
        advice=seen.record.attempt.advice,
        word=seen.record.attempt.word,
    )


def broken(seen: Evidence) -> Finding | None:
    """A node, the scheduler, the folder, or this software."""
    if seen.raised or seen.cause is not Cause.INTEGRATION or seen.state not in ("failed", "lost", "cancelled"):
        return None
    sure = seen.state != "lost"
    again = bool(re.search(r"node|restarted|launcher|killed", seen.message))
    whose = Audience.YOU if "shelf" in seen.record.attempt.advice else Audience.SITE
    clues = (seen.in_outcome(seen.message), *_word(seen), *seen.in_console())
    return Finding(
        "site trouble",
        Cause.INTEGRATION,
        seen.message,
        clues,
        whose,
        seen.record.attempt.advice,
        again=again,
        confidence=Confidence.SURE if sure else Confidence.LIKELY,
        word=seen.record.attempt.word,
    )


def console_knows(seen: Evidence) -> Finding | None:
    """The script ended by itself without an outcome; its last lines may say why."""
    if seen.raised or seen.state != "failed" or seen.outcome.get("sealed_by") == "runner":
        return None
    for rule, cause, pattern, advice in _CONSOLE:
        clues = seen.in_console(pattern)
        if clues:
            return Finding(
                rule,
                cause,
                f"Its console says: {clues[0].text}",
                clues,
                Audience.YOU if cause is not Cause.INTEGRATION else Audience.SITE,
                advice,
                confidence=Confidence.LIKELY,
            )
    return None


_CONSOLE = (
    ("package missing", Cause.ENVIRONMENT, "No module named", "qhub_ext must be installed in the job's environment."),
    ("environment", Cause.ENVIRONMENT, "No such file or directory: 'python", "The Python of the job is not there."),
    ("environment", Cause.ENVIRONMENT, "command not found", "Look at the site's prologue and the modules that it loads."),
    ("environment", Cause.ENVIRONMENT, "python: not found", "The Python of the job is not there."),
    ("disk full", Cause.RESOURCES, "No space left on device", "Make room on that file system, or in your quota."),
    ("disk full", Cause.RESOURCES, "Disk quota exceeded", "Make room in your quota."),
    ("memory", Cause.RESOURCES, "oom-kill", "Ask for more memory."),
    ("memory", Cause.RESOURCES, "Cannot allocate memory", "Ask for more memory."),
    ("file system", Cause.INTEGRATION, "Stale file handle", "Try again; if it stays so, tell the site."),
)  # fmt: skip


def killed(seen: Evidence) -> Finding | None:
    """By a signal that nobody owns up to: lack of memory is one reason, and not the only one."""
    if seen.cause is not Cause.UNKNOWN or "SIGKILL" not in seen.message:
        return None
    clues = (seen.in_outcome(seen.message), *_word(seen), *seen.in_console())
    return Finding(
        "killed",
        Cause.RESOURCES,
        "A process that is killed with SIGKILL often had used up the memory of its node.",
        clues,
        advice="Ask for more memory, or look at the node's log.",
        again=True,
        confidence=Confidence.POSSIBLE,
    )


def as_sealed(seen: Evidence) -> Finding | None:
    """What stands in the outcome, where nothing above has more to say."""
    attempt = seen.record.attempt
    if not seen.record.state.final or seen.state == "completed" or not attempt.message:
        return None
    sure = Confidence.POSSIBLE if seen.cause is Cause.UNKNOWN else Confidence.LIKELY
    return Finding(
        "as sealed",
        seen.cause,
        attempt.message,
        (seen.in_outcome(attempt.message), *_word(seen), *seen.in_console()),
        Audience.YOU,
        attempt.advice,
        confidence=sure,
        word=attempt.word,
    )


def _word(seen: Evidence) -> tuple[Clue, ...]:
    word = seen.record.attempt.word
    return (Clue(word, "the site's word for its state", "attempts"),) if word else ()


RULES = (cancelled, policy, time_limit, resources, broken, console_knows, killed)
GENERAL = (as_sealed,)
