"""From what was seen to the verdict: state, cause, one sentence, what to do. Pure."""

from __future__ import annotations

import errno
import re
import signal
from dataclasses import dataclass

from qhub_ext.errors import Cause
from qhub_ext.job.shortage import find_shortage
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.outputs import without_colours
from qhub_ext.runner.places import crash_place, line_of
from qhub_ext.runner.sighting import Sighting, Stop

_BY_THE_CODE = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
_UNKNOWN_MAGIC = re.compile(r"(Line|Cell) magic (function )?`%.*not found")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Verdict:
    state: State
    cause: Cause | None = None
    message: str = ""
    advice: str = ""


def judge(spec: JobSpec, seen: Sighting) -> Verdict:
    succeeded = seen.succeeded
    if seen.stop is not None and not (succeeded and seen.cell_done and seen.harvested):
        return _stopped(spec, seen, seen.stop)
    if seen.refused is not None:
        return Verdict(
            State.FAILED, Cause(seen.refused["cause"]), seen.refused["message"], seen.refused.get("advice", "")
        )
    if seen.reply is None:
        return _died(spec, seen)
    verdict = Verdict(State.COMPLETED) if succeeded else _raised(spec, seen)
    if succeeded and seen.disk_full:
        return Verdict(
            State.FAILED,
            Cause.RESOURCES,
            f"{seen.whole} ended, but the disk of the job folder is full: some of its outputs or variables could not be written.",
            "Make room on that file system (or in your quota) and run the job again.",
        )
    return verdict


def _stopped(spec: JobSpec, seen: Sighting, stop: Stop) -> Verdict:
    end = "was interrupted"
    if seen.killed_at_deadline:
        end = f"did not end within {spec.grace_s} s of the interrupt and was killed"
    elif seen.reply is None and seen.returncode is not None:
        end = "was interrupted, and its process ended"
    why, due = stop.why, stop.time_up_s is None and stop.after_s + spec.grace_s >= spec.time_s
    if stop.is_for_time or (not why and due):
        # a site may count in minutes, and ends a job a little before its limit
        elsewhere = abs(stop.after_s - spec.time_s) > spec.grace_s
        ran = f" after {stop.after_s:.0f} s" if elsewhere else ""
        return Verdict(
            State.TIMED_OUT,
            Cause.RESOURCES,
            f"The job reached its wall time of {spec.time_s} s{ran}; {seen.subject} {end}.",
            "Ask for more with --time, or let the cell do less.",
        )
    if why == "cancel":
        return Verdict(State.CANCELLED, Cause.USER, f"The job was cancelled; {seen.subject} {end}.")
    if why == "requeue":
        told = f"This attempt was stopped to be queued again, as asked; {seen.subject} {end}."
        return Verdict(State.CANCELLED, Cause.USER, told)
    if why == "preempt":
        told = f"The site stopped this attempt for another job; {seen.subject} {end}."
        return Verdict(State.CANCELLED, Cause.QUEUE_POLICY, told)
    return Verdict(
        State.CANCELLED,
        Cause.UNKNOWN,
        f"The job was asked to end by {stop.signal}, and the site left no word why; {seen.subject} {end}.",
    )


def _raised(spec: JobSpec, seen: Sighting) -> Verdict:
    error = seen.error or {k: (seen.reply or {}).get(k, "") for k in ("ename", "evalue")}
    name, value = str(error.get("ename", "")), without_colours(str(error.get("evalue", "")))
    if name == "_IncompleteInputError":  # Python's own word since 3.13 for a cell that ends too early
        name = "SyntaxError"
    kinds = set(seen.ended.get("kinds") or [name])
    place = f" ({line_of(spec, seen, seen.ended['line'])})" if seen.ended.get("line") else ""
    if not place and seen.cells is not None:
        place = f" ({seen.subject})"
    sentence = _sentence(f"{name}: {_first_line(value)}" if value.strip() else name, place)
    told = seen.ended.get("told")
    if told and told["cause"] not in (Cause.CODE, Cause.UNKNOWN):
        return Verdict(State.FAILED, Cause(told["cause"]), _sentence(told["message"], place), told["advice"])
    if "SystemExit" in kinds:
        said = _first_line(words_at_exit(value)).strip()
        exited = f"{seen.whole} exited with code {seen.ended.get('exit', 1)}{f', saying: {said}' if said else ''}"
        return Verdict(State.FAILED, Cause.CODE, _sentence(exited, place))
    if seen.ended.get("own"):  # whatever its class: the cell's own words
        return _said_so(seen, sentence)
    if "MemoryError" in kinds:
        advice = "Ask for more memory, or let the cell hold less at a time."
        granted = f" The job was given {spec.memory_mb} MiB." if spec.memory_mb else ""
        return Verdict(State.FAILED, Cause.RESOURCES, f"{sentence}{granted}", advice)
    if seen.ended.get("errno") in _NO_ROOM:
        return Verdict(State.FAILED, Cause.RESOURCES, sentence, "Make room on that file system, or in your quota.")
    if "StdinNotImplementedError" in kinds:
        ask = (
            "give the script its answers as arguments behind --"
            if seen.script
            else "let the notebook ask, and the value travel with the cell"
        )
        advice = f"A job has no keyboard: {ask}."
        return Verdict(State.FAILED, Cause.CODE, sentence, advice)
    if name == "UsageError" and _UNKNOWN_MAGIC.match(value):
        advice = "A job begins without the extensions of the notebook: put the %load_ext of this one into the cell."
        return Verdict(State.FAILED, Cause.CODE, sentence, advice)
    if "ModuleNotFoundError" in kinds:
        advice = "Install it in the environment that runs the job, or submit from a kernel of that environment."
        return Verdict(State.FAILED, Cause.ENVIRONMENT, sentence, advice)
    if name == "NameError":
        advice = "Define it in the notebook or the cell. A name that the analysis of the cell cannot see (inside eval or a string) travels with --in NAME."
        return Verdict(State.FAILED, Cause.CODE, sentence, advice)
    return Verdict(State.FAILED, Cause.CODE, sentence, "The traceback is in the job's outputs.")


def _said_so(seen: Sighting, sentence: str) -> Verdict:
    """The cell raised by itself; it may have done so because of an error of ours that it caught."""
    for behind in seen.ended.get("behind") or ():
        told = behind.get("told")
        if told and told["cause"] not in (Cause.CODE, Cause.UNKNOWN):
            came = f"{sentence} It came from: {told['message']}"
            return Verdict(State.FAILED, Cause(told["cause"]), came, told["advice"])
    return Verdict(State.FAILED, Cause.CODE, sentence, "The traceback is in the job's outputs.")


def _died(spec: JobSpec, seen: Sighting) -> Verdict:
    kept = "What it had printed until then is kept."
    if seen.memory_exceeded_mb is not None:
        return Verdict(
            State.FAILED,
            Cause.RESOURCES,
            f"{seen.whole} and its child processes used {seen.memory_exceeded_mb:.0f} MiB, over the job's {spec.memory_mb} MiB, "
            f"and were killed. {kept}",
            "Ask for more memory, or start fewer processes.",
        )
    code = seen.returncode
    if code is None:
        return Verdict(State.FAILED, Cause.INTEGRATION, "The job kernel stopped answering and was ended.")
    if not seen.cell_begun:
        ended = f"exit code {code}" if code >= 0 else _signal_name(-code)
        shortage = find_shortage(seen.console)
        if shortage is not None:
            return Verdict(
                State.FAILED,
                Cause.RESOURCES,
                f"The job kernel could not start ({ended}); the cell was not begun: {shortage.told}.",
                shortage.advice,
            )
        return Verdict(
            State.FAILED,
            Cause.ENVIRONMENT,
            f"The job kernel could not start ({ended}); the cell was not begun.",
            "The reason is in the job's console log; ipykernel and qhub_ext must be installed in the job's environment.",
        )
    if code >= 0:
        return Verdict(State.FAILED, Cause.CODE, f"The process of {seen.subject} exited with code {code}. {kept}")
    name = _signal_name(-code)
    if -code in _BY_THE_CODE:
        place = crash_place(spec, seen)
        return Verdict(
            State.FAILED,
            Cause.CODE,
            f"The process of {seen.subject} crashed with {name}{place}. {kept}",
            "Compiled code that the cell calls did this. The whole report is among the `notes` in outcome.json of the job's attempt.",
        )
    if -code == signal.SIGKILL and seen.oom_killed:
        return Verdict(
            State.FAILED,
            Cause.RESOURCES,
            f"The operating system killed the process of {seen.subject} for lack of memory (SIGKILL). {kept}",
            "Ask for more memory, or let the cell hold less at a time.",
        )
    return Verdict(
        State.FAILED,
        Cause.UNKNOWN,
        f"The process of {seen.subject} was killed from outside with {name}. {kept}",
        "Most often this is the operating system when memory runs out: ask for more memory, or look at the node's log."
        if -code == signal.SIGKILL
        else "",
    )


def words_at_exit(value: str) -> str:
    """What a SystemExit says; "" of one that carries only a code."""
    return "" if value.lstrip("-").isdigit() else value


def _sentence(said: str, place: str) -> str:
    """`said (line 3 of the cell).`, with one full stop at its end."""
    if place:
        return f"{said.rstrip().removesuffix('.')}{place}."
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _first_line(text: str) -> str:
    lines = text.strip().splitlines() or [""]
    line = lines[0].rstrip()
    if len(line) > 300:
        return line[:299] + "…"
    return f"{line} …" if any(more.strip() for more in lines[1:]) else line
