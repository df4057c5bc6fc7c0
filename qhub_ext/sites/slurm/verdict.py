"""The last word on an attempt whose runner left no outcome: from Slurm's books and the folder to state, cause, sentence,
advice. Pure, and no more than is known.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.sites.exits import read_exit
from qhub_ext.sites.slurm.accounting import Ending, Memory
from qhub_ext.sites.slurm.options import DUPLICATE, NO_FOLDER, NO_ROOM
from qhub_ext.sites.slurm.reasons import explain
from qhub_ext.sites.slurm.sentences import read_sentence
from qhub_ext.sites.slurm.states import read_state


@dataclass(frozen=True)
class Verdict:
    state: State
    cause: Cause
    message: str
    advice: str = ""
    word: str = ""

    def to_event(self) -> dict[str, str]:
        return {
            "state": self.state.value,
            "cause": self.cause.value,
            "message": self.message,
            "advice": self.advice,
            "word": self.word,
        }


@dataclass(frozen=True)
class Evidence:
    """What the folder adds: `launched` the script began; `last_words` of its console; `stop_why` a client's own request;
    `unmet` a sentence about a dependency; `time_s` what the job was given, in Slurm's whole minutes; `warned_s` how long before the end of that it may be warned; `reservation` the name of the
    one that it ran in; `again` there is a later attempt; `sealed` the runner sealed an end and could not say why. Where somebody asked:
    `node_says` why its node is closed, `node_down` that it is out of service, and `memory` what it used."""

    launched: bool = False
    last_words: str = ""
    stop_why: str = ""
    unmet: str = ""
    time_s: int = 0
    warned_s: int = 0
    again: bool = False
    element: bool = False
    sealed: bool = False
    node_says: str = ""
    node_down: str = ""
    reservation: str = ""
    memory: Memory | None = None


EARLY_S = 60
"""Slurm ends a job up to so many seconds around its limit."""


def was_taken_back(ending: Ending, seen: Evidence) -> bool:
    """Slurm had started it and ended it, in root's name, before its script began: what becomes of a job that may not be queued again
    when a prologue fails, or a node cannot take it in."""
    if not ending.state.startswith("CANCELLED") or ending.by != 0 or ending.start is None:
        return False
    return not (seen.launched or seen.again or seen.stop_why or seen.unmet or ending.reason)


def signal_of(ending: Ending) -> int:
    """0 for one that ended by itself. A shell says 128 + N of a child that signal N ended."""
    return ending.signal or (ending.code - 128 if 128 < ending.code < 160 else 0)


def conclude(ending: Ending | None, seen: Evidence, *, owner_uid: int, names: dict[int, str] | None = None) -> Verdict:
    if ending is None and seen.again:
        return _put_back(seen)
    if ending is None:
        if seen.stop_why == "cancel":
            return Verdict(State.CANCELLED, Cause.USER, "It was cancelled.")
        if seen.element and not seen.launched:
            return Verdict(
                State.CANCELLED,
                Cause.UNKNOWN,
                "Slurm does not have this element any more, and it never began: somebody cancelled it while it waited.",
                "Slurm keeps no record of who did; requeue it.",
            )
        return Verdict(
            State.LOST,
            Cause.INTEGRATION,
            "Slurm no longer knows this job, and its folder holds no outcome.",
            "`requeue` runs it again from the start.",
        )
    word, reason = ending.state.split()[0].rstrip("+"), ending.reason
    where = f" on {ending.nodes}" if ending.nodes else ""
    said = f" Its last words: {seen.last_words}" if seen.last_words else ""
    known = read_state(ending.state)
    if word == "REQUEUED" or (seen.again and word in ("CANCELLED", "COMPLETED", "PENDING")):
        return _stopped_for_another(seen, ending.state)
    if word == "CANCELLED":
        return _cancelled(ending, seen, owner_uid, names or {})
    if seen.stop_why == "cancel" and word in ("FAILED", "COMPLETED"):
        return Verdict(State.CANCELLED, Cause.USER, "It was cancelled.", word=ending.state)
    if word == "LAUNCH_FAILED" or (reason == "JobLaunchFailure" and not seen.launched):
        # of a script that a signal ended after it began, Slurm says JobLaunchFailure as well
        told = explain("JobLaunchFailure")
        return Verdict(State.FAILED, Cause.INTEGRATION, f"{told.sentence[:-1]}{where}.", told.advice, ending.state)
    if seen.sealed and word in ("COMPLETED", "FAILED") and not signal_of(ending):
        if _was_warned(ending, seen):
            return _ended_early(ending, replace(seen, reservation=""), _ran_s(ending, seen))
        no_more = f"Slurm says no more than that its script ended{where} with exit code {ending.code}."
        return Verdict(State.CANCELLED, Cause.UNKNOWN, no_more, word=ending.state)
    if word == "COMPLETED":
        return Verdict(
            State.FAILED,
            Cause.INTEGRATION,
            f"The script ended{where} with exit code 0 but no runner sealed an outcome.{said}",
            "Look at the job's script.",
            ending.state,
        )
    if word == "FAILED":
        return _failed(ending, seen, where, said)
    if word == "TIMEOUT":
        if read_sentence(reason):  # it was not its own limit
            told = explain(reason)
            return Verdict(State.TIMED_OUT, Cause.QUEUE_POLICY, told.sentence, told.advice, ending.state)
        ran_s = _ran_s(ending, seen)
        if ran_s < seen.time_s - EARLY_S:
            return _ended_early(ending, seen, ran_s)
        return Verdict(
            State.TIMED_OUT,
            Cause.RESOURCES,
            f"{known.sentence} It was given {seen.time_s} s.",
            known.advice,
            ending.state,
        )
    node = f" ({ending.nodes})" if ending.nodes else ""
    return Verdict(
        known.state if known.ended else State.LOST,
        known.cause or Cause.UNKNOWN,
        f"{known.sentence[:-1]}{node}.{said}",
        known.advice,
        ending.state,
    )


def _ran_s(ending: Ending, seen: Evidence) -> float:
    return ending.end - ending.start if ending.end is not None and ending.start is not None else seen.time_s


def _was_warned(ending: Ending, seen: Evidence) -> bool:
    """Of a limit that was shortened while it ran Slurm warns as of any other, and what ends then has ended by itself."""
    limit_s = ending.limit_s
    return limit_s is not None and limit_s < seen.time_s and _ran_s(ending, seen) >= limit_s - seen.warned_s


def _ended_early(ending: Ending, seen: Evidence, ran_s: float) -> Verdict:
    """Older versions of Slurm have the same word for it where a reservation ends, or somebody shortens the limit of a job."""
    told = f"Slurm ended it for its time after {ran_s:.0f} s, although it was given {seen.time_s} s"
    if seen.reservation:
        why = f"most likely its reservation {seen.reservation!r} had ended"
        advice = "Ask for no more time than the reservation has left, or run it outside of it."
    else:
        why, advice = "its limit was shortened while it ran", "Ask the site why; then requeue it."
    return Verdict(State.TIMED_OUT, Cause.QUEUE_POLICY, f"{told}: {why}.", advice, ending.state)


def _asked_for(seen: Evidence, word: str) -> Verdict | None:
    if seen.stop_why == "cancel":
        return Verdict(State.CANCELLED, Cause.USER, "It was cancelled.", word=word)
    if seen.stop_why == "requeue":
        return Verdict(State.CANCELLED, Cause.USER, "This attempt was stopped to be queued again, as asked.", word=word)
    return None


def _put_back(seen: Evidence) -> Verdict:
    """There is a later attempt, and the books do not say what became of this one."""
    word = "REQUEUED"
    if asked := _asked_for(seen, word):
        return asked
    if seen.node_down:
        because = f" ({seen.node_says})" if seen.node_says else ""
        told = f"Slurm put the job back into the queue, most likely because its node failed: {seen.node_down} is out of service{because}."
        return Verdict(State.FAILED, Cause.INTEGRATION, told, "The site sees to the node.", word)
    told = "Slurm stopped this attempt and put the job back into the queue, and its books do not say why."
    return Verdict(State.CANCELLED, Cause.UNKNOWN, told, word=word)


def _stopped_for_another(seen: Evidence, word: str) -> Verdict:
    if asked := _asked_for(seen, word):
        return asked
    return Verdict(
        State.CANCELLED,
        Cause.QUEUE_POLICY,
        "Slurm stopped this attempt and put the job back into the queue, for a job with a stronger claim or at the site's request.",
        "",
        word,
    )


def _cancelled(ending: Ending, seen: Evidence, owner_uid: int, names: dict[int, str]) -> Verdict:
    if ending.reason == "DependencyNeverSatisfied" or seen.unmet:
        told = seen.unmet or "a job that it waits for did not complete"
        return Verdict(
            State.CANCELLED,
            Cause.QUEUE_POLICY,
            f"Its dependency is never satisfied: {told}.",
            "Run that job again, then submit this one after it.",
            ending.state,
        )
    if was_taken_back(ending, seen):
        node = ending.nodes or "its node"
        prologue = "prolog" in seen.node_says.lower()
        return Verdict(
            State.FAILED,
            Cause.INTEGRATION,
            f"The site's prologue failed on {node}, and Slurm took the job back before its script began."
            if prologue
            else f"Slurm started it on {node} and ended it before its script began; most often the node could not take it in.",
            f"Ask the site to look at {node}; then requeue it.",
            ending.state,
        )
    if ending.by is not None and ending.by != owner_uid:
        who = names.get(ending.by, f"uid {ending.by}")
        return Verdict(
            State.CANCELLED,
            Cause.QUEUE_POLICY,
            f"It was cancelled by {who}, not by its owner.",
            f"Ask {who} why; requeue it when that is settled.",
            ending.state,
        )
    return Verdict(State.CANCELLED, Cause.USER, "It was cancelled.", "", ending.state)


def _failed(ending: Ending, seen: Evidence, where: str, said: str) -> Verdict:
    number = signal_of(ending)
    node = ending.nodes or "its node"
    if ending.code == NO_FOLDER and not seen.launched:
        return Verdict(
            State.FAILED,
            Cause.INTEGRATION,
            f"{node} does not see the job's folder.",
            "The shelf must lie on a file system that all nodes mount at the same path: set `shelf` in qhub.toml.",
            ending.state,
        )
    if ending.code == NO_ROOM and not seen.launched:
        return Verdict(
            State.FAILED,
            Cause.RESOURCES,
            f"{node} could not write to the job's folder; most often a full file system or quota.",
            "Make room there, then requeue it.",
            ending.state,
        )
    if ending.code == DUPLICATE and not seen.launched:
        return Verdict(State.CANCELLED, Cause.INTEGRATION, "It was queued twice; the other one ran.", "", ending.state)
    if number:
        if seen.memory is not None and seen.memory.exceeded:
            told = f"It used {seen.memory.used_mb:.0f} MiB of memory{where}, was given {seen.memory.given_mb:.0f} MiB, and was killed."
            return Verdict(State.FAILED, Cause.RESOURCES, told, read_state("OUT_OF_MEMORY").advice, ending.state)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        usual = (
            "Lack of memory on the node is a common cause: ask for more." if number == signal.SIGKILL else "Requeue it."
        )
        end = read_exit(seen.last_words, advice=usual)
        told = f"The runner was ended{where} by {name}{end.because or '; nothing says who sent it'}.{said}"
        return Verdict(State.FAILED, end.cause, told, end.advice, ending.state)
    if not seen.launched and ending.code == 0:
        why = explain(ending.reason) if ending.reason else None
        return Verdict(
            State.FAILED,
            Cause.INTEGRATION if why is None or why.audience != "you" else Cause.QUEUE_POLICY,
            why.sentence if why else f"Slurm could not run it{where} and gives no reason.",
            why.advice if why else "Ask the site to look at the node.",
            ending.state,
        )
    end = read_exit(seen.last_words, code=ending.code, advice="Look at console.log of its attempt.")
    told = f"The script ended{where} with exit code {ending.code} and no outcome{end.because}.{said}"
    return Verdict(State.FAILED, end.cause, told, end.advice, ending.state)
