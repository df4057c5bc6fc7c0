"""What became of jobs that have left the queue: sacct where there is one, else scontrol while Slurm still remembers.

`sacct --json` shows every exit code as 0, `scontrol` has no JSON: both are asked for plain fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from qhub_ext.errors import SiteError, SiteUnreachableError
from qhub_ext.sites.slurm.commands import Commands, portions, unreachable
from qhub_ext.sites.slurm.listing import expand, parse_duration

_FIELD = "\x1f"
_FIELDS = ("JobID", "State", "ExitCode", "Reason", "NodeList", "Submit", "Start", "End", "Timelimit", "JobName")


@dataclass(frozen=True)
class Ending:
    """One attempt in Slurm's books. `code` and `signal` of the batch script; `by` is the uid of who cancelled it."""

    key: str
    state: str
    code: int
    signal: int
    reason: str = ""
    nodes: str = ""
    submitted: float | None = None
    start: float | None = None
    end: float | None = None
    by: int | None = None
    limit_s: int | None = None
    """Its time limit as it was at the end."""
    name: str = ""


def list_endings(commands: Commands, keys: Iterable[str], since: float) -> dict[str, list[Ending]]:
    """All attempts that sacct knows of these jobs, first to last. Raises SiteUnreachableError without accounting."""
    # waiting elements of an array are one line, which is not found by the number of one of them
    wanted = sorted({key.partition("_")[0] for key in keys})
    found: dict[str, list[Ending]] = {}
    for some in portions(wanted):
        found |= _sacct(commands, f"--jobs={','.join(some)}", since)
    return found


def list_named_endings(commands: Commands, names: Sequence[str], since: float) -> dict[str, list[Ending]]:
    found: dict[str, list[Ending]] = {}
    for some in portions(sorted(set(names))):
        found |= _sacct(commands, f"--name={','.join(some)}", since)
    return found


def _sacct(commands: Commands, which: str, since: float) -> dict[str, list[Ending]]:
    # without a start time sacct looks at today only; --duplicates shows every attempt of a requeued job
    answer = commands.run(
        *("sacct", "--allocations", "--parsable2", "--noheader", "--duplicates", f"--delimiter={_FIELD}"),
        *(which, f"--starttime={_format_time(since)}", f"--format={','.join(_FIELDS)}"),
    )
    if not answer.ok:
        if "accounting storage is disabled" in answer.errors:
            commands.keeps_books = False
            return {}
        raise unreachable("sacct", answer)
    return parse_sacct(answer.output)


@dataclass(frozen=True)
class Memory:
    """Of one attempt: the most that a step of it used, and what the whole was given."""

    used_mb: float
    given_mb: float

    @property
    def exceeded(self) -> bool:
        return self.used_mb > self.given_mb


def memory_of(commands: Commands, key: str) -> Memory | None:
    """Of the latest attempt; None where the books do not tell. Only a record of a step says what was used."""
    if not commands.keeps_books:
        return None
    words = ("--parsable2", "--noheader", f"--jobs={key}", "--format=JobID,MaxRSS,AllocTRES")
    return parse_memory(key, commands.run("sacct", *words).output)


def parse_memory(key: str, text: str) -> Memory | None:
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    granted = [_tres(tres) for job, _, tres in rows if job == key]
    used = [_megabytes(most) for job, most, _ in rows if job.startswith(f"{key}.")]
    if not any(granted) or not any(used):
        return None
    return Memory(max(used), max(granted))


def _tres(text: str) -> float:
    """`billing=1,cpu=1,mem=4000M,node=1` -> 4000.0"""
    return next((_megabytes(pair[4:]) for pair in text.split(",") if pair.startswith("mem=")), 0.0)


def _megabytes(text: str) -> float:
    """`10898K` -> 10.6; 0 for what is no amount."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)", text.strip())
    if found is None:
        return 0.0
    scale = {"": 2**-20, "K": 2**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20, "P": 2.0**30}
    return float(found[1]) * scale[found[2]]


def why_closed(commands: Commands, nodes: str) -> str:
    """What Slurm noted when it, or somebody, closed these nodes; "" for nodes that are open."""
    said = commands.run("sinfo", "--noheader", f"--nodes={nodes}", "--Format=Reason:\x1f").output if nodes else ""
    return " ".join(said.replace("\x1f", " ").split()).removeprefix("none")


def is_out_of_service(commands: Commands, node: str) -> bool:
    said = commands.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T").output.split() if node else []
    return bool(said) and all(word.startswith(("down", "fail", "error")) for word in said)


def parse_sacct(text: str) -> dict[str, list[Ending]]:
    """A job's name comes last and may hold line ends: what does not look like a record belongs to the name before."""
    found: dict[str, list[Ending]] = {}
    for line in text.splitlines():
        values = line.split(_FIELD, len(_FIELDS) - 1)
        if len(values) != len(_FIELDS) or not re.match(r"\d", values[0]):
            continue
        at = dict(zip(_FIELDS, values, strict=True))
        job, _, component = at["JobID"].partition("+")
        if component not in ("", "0"):  # of a heterogeneous job, the first one speaks for all
            continue
        code, signal = _exit(at["ExitCode"])
        word, _, by = at["State"].partition(" by ")
        ending = Ending(
            key=job,
            state=word,
            code=code,
            signal=signal,
            reason="" if at["Reason"] == "None" else at["Reason"],
            nodes="" if at["NodeList"] == "None assigned" else at["NodeList"],
            submitted=_moment(at["Submit"]),
            start=_moment(at["Start"]),
            end=_moment(at["End"]),
            by=int(by) if by.isdigit() else None,
            limit_s=parse_duration(at["Timelimit"]),
            name=at["JobName"],
        )
        for key in expand(ending.key):
            found.setdefault(key, []).append(replace(ending, key=key))
    for endings in found.values():
        endings.sort(key=lambda e: e.start or e.end or float("inf"))
    return found


def recall(commands: Commands, base: str) -> dict[str, Ending]:
    """What slurmctld itself remembers of a job (for MinJobAge after its end), of its last attempt only."""
    answer = commands.run("scontrol", "--oneliner", "show", "job", base)
    if not answer.ok:
        if answer.silent:
            raise unreachable("scontrol", answer)
        return {}
    found = {}
    for text in re.split(r"(?m)^(?=JobId=\d)", answer.output):
        fields = parse_scontrol(text)
        if "JobState" not in fields or re.match(r"JobId=\d+ HetJobId=\d+ HetJobOffset=[1-9]", text):
            continue
        code, signal = _exit(fields.get("ExitCode", "0:0"))
        task = re.match(r"JobId=\d+ ArrayJobId=(\d+) ArrayTaskId=([\d,-]+)", text)
        for key in expand(f"{task[1]}_[{task[2]}]") if task else [base]:
            found[key] = Ending(
                key=key,
                state=fields["JobState"],
                code=code,
                signal=signal,
                reason="" if fields.get("Reason") in (None, "None") else fields["Reason"],
                nodes="" if fields.get("NodeList") in (None, "(null)") else fields["NodeList"],
                submitted=_moment(fields.get("SubmitTime", "")),
                start=_moment(fields.get("StartTime", "")),
                end=_moment(fields.get("EndTime", "")),
                limit_s=parse_duration(fields.get("TimeLimit", "")),
            )
    return found


def parse_scontrol(text: str) -> dict[str, str]:
    """Only fields whose values hold no blanks, and only those that come after the name, which may say anything."""
    _, found, rest = text.partition(" UserId=")
    return dict(re.findall(r"(?:^| )(\w+)=(\S*)", " UserId=" + rest)) if found else {}


def endings_of(commands: Commands, keys: Sequence[str], since: float) -> tuple[dict[str, list[Ending]], str]:
    """(endings, why there are none of sacct or ""). Never raises for a missing accounting: the folder knows more."""
    trouble = ""
    found: dict[str, list[Ending]] = {}
    try:
        found = list_endings(commands, keys, since)
    except (SiteUnreachableError, SiteError) as error:
        trouble = error.message
    # sacct hears of an end a little after slurmctld does, and never of one that came while a requeued job waited
    late = [key for key in keys if not found.get(key) or found[key][-1].state in ("PENDING", "RUNNING", "REQUEUED")]
    for base in {key.partition("_")[0] for key in late}:
        remembered = recall(commands, base)
        for key in late:
            if key.partition("_")[0] == base:
                # what slurmctld has forgotten does not run, whatever the books say
                kept = [e for e in found.get(key, ()) if e.state not in ("PENDING", "RUNNING")]
                found[key] = [*kept, *([remembered[key]] if key in remembered else [])]
    return found, trouble


def _exit(text: str) -> tuple[int, int]:
    code, _, signal = text.partition(":")
    return (int(code) if code.isdigit() else 0, int(signal) if signal.isdigit() else 0)


def _moment(text: str) -> float | None:
    return float(text) if text.isdigit() and int(text) > 0 else None


def _format_time(moment: float) -> str:
    import time

    # sacct reads local time; a day earlier covers clocks that differ and changes to summer time
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment - 86400))
