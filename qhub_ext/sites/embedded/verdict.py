"""What to say of an attempt whose runner left without sealing an outcome: pure, and no more than is known."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.jobfolder.outcome import Outcome
from qhub_ext.sites.exits import read_exit


@dataclass(frozen=True)
class Evidence:
    """`exit` and `launch` are the launcher's records, None where it left none; `last_words` the end of the console."""

    launch: dict[str, Any] | None
    exit: dict[str, Any] | None
    stop_why: str = ""
    time_s: int = 0
    rebooted: bool = False
    never_ran: bool = False
    last_words: str = ""


def conclude(evidence: Evidence, *, started_at: float | None, now: float) -> Outcome:
    state, cause, message, advice = _words(evidence)
    ended_at = float((evidence.exit or {}).get("at", now))
    return Outcome(
        state=state.value,
        running_at=(evidence.launch or {}).get("at") if state is not State.CANCELLED or started_at else None,
        ended_at=ended_at,
        cause=cause.value,
        message=message,
        advice=advice,
        sealed_by="site",
    )


def _words(evidence: Evidence) -> tuple[State, Cause, str, str]:
    if evidence.stop_why == "time":
        return (
            State.TIMED_OUT,
            Cause.RESOURCES,
            f"The wall time of {evidence.time_s} s ran out, and the runner did not end by itself.",
            "Ask for more with --time.",
        )
    if evidence.stop_why == "cancel":
        return State.CANCELLED, Cause.USER, "It was cancelled.", ""
    if evidence.stop_why in ("requeue", "preempt"):
        return State.CANCELLED, Cause.USER, "This attempt was stopped to begin a new one.", ""
    if evidence.never_ran:
        return (
            State.CANCELLED,
            Cause.INTEGRATION,
            "Its launcher was killed before the script began; a new attempt takes its place.",
            "",
        )
    if evidence.rebooted:
        return State.FAILED, Cause.INTEGRATION, "The computer restarted while the job ran.", "Requeue it."
    if evidence.launch is None:
        return State.LOST, Cause.INTEGRATION, "The site has no record of its start.", "Requeue it."
    if evidence.exit is None:
        return (
            State.FAILED,
            Cause.UNKNOWN,
            "Its processes are gone, without an outcome and without an exit code: something killed them all.",
            "Requeue it.",
        )
    number = _signal_of(evidence.exit)
    said = f" Its last words: {evidence.last_words}" if evidence.last_words else ""
    if number is not None:
        return _killed(number, evidence, said)
    code = evidence.exit.get("returncode")
    if code == 0:
        return (
            State.FAILED,
            Cause.INTEGRATION,
            f"The script ended with exit code 0 but no runner sealed an outcome.{said}",
            "Look at the job's script.",
        )
    end = read_exit(evidence.last_words, code=code if isinstance(code, int) else 0, advice="Look at console.log.")
    told = f"The script ended with exit code {code} and no outcome{end.because}.{said}"
    return State.FAILED, end.cause, told, end.advice


def _killed(number: int, evidence: Evidence, said: str) -> tuple[State, Cause, str, str]:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    before, after = (evidence.launch or {}).get("oom_kills"), (evidence.exit or {}).get("oom_kills")
    if number == signal.SIGKILL and before is not None and after is not None and after > before:
        return (
            State.FAILED,
            Cause.RESOURCES,
            "The runner was killed (SIGKILL) while this computer ran out of memory.",
            "Ask for fewer qubits or shots, or free some memory.",
        )
    end = read_exit(evidence.last_words, advice="Requeue it.")
    told = f"The runner was ended by {name}{end.because or '; nothing says who sent it'}.{said}"
    return State.FAILED, end.cause, told, end.advice


def _signal_of(record: dict[str, Any]) -> int | None:
    if record.get("signal") is not None:
        return int(record["signal"])
    code = record.get("returncode")
    # a shell says 128 + N of a child that signal N ended
    return code - 128 if isinstance(code, int) and 128 < code < 160 else None
