"""squeue, asked for a format of our own: fields end with an ASCII unit separator and lines with a record separator, which no
text of Slurm's holds, so that a job's name may be anything.

Not `--json`: it ignores every filter and describes all jobs of the cluster, 3 kB each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from qhub_ext.errors import SiteUnreachableError
from qhub_ext.job.identity import element_id, is_job_id
from qhub_ext.sites.slurm.commands import Commands, portions, unreachable
from qhub_ext.sites.slurm.options import COMMENT_PREFIX

_FIELD, _LINE = "\x1f", "\x1e"
_FIELDS = [
    "ArrayJobID",
    "ArrayTaskID",
    "JobID",
    "State",
    "Reason",
    "RestartCnt",
    "StartTime",
    "SubmitTime",
    "TimeLimit",
    "NodeList",
    "PriorityLong",
    "Partition",
    "QOS",
    "UserName",
    "Account",
    "NumCPUs",
    "Licenses",
    "Dependency",
    "HetJobOffset",
    "Comment",
    "Name",
]
FORMAT = ",".join(f"{name}:{_FIELD}" for name in _FIELDS[:-1]) + f",{_FIELDS[-1]}:{_LINE}"

MANY = 500
"""From so many ids on, all jobs of the user are asked for instead: a command line has its limits."""


@dataclass(slots=True)  # to be read only; a frozen one takes four times as long to make, and an answer makes thousands
class Row:
    """One job or array element as squeue has it. Moments in s since 1970 UTC; `key` is `123` or `123_7`."""

    key: str
    state: str
    reason: str
    restarts: int
    start: float | None
    submitted: float | None
    limit_s: int | None
    nodes: str
    priority: int
    partition: str
    qos: str
    user: str
    account: str
    cpus: int
    licenses: str
    dependency: str
    component: int
    """0, or which further component of a heterogeneous job it is: such a one has a number of its own."""
    comment: str
    name: str

    @property
    def base(self) -> str:
        return self.key.partition("_")[0]


@dataclass(frozen=True)
class Listing:
    """`as_of` is when the question was asked, so that nothing is believed newer than it is. `unasked` are ids that were wanted and
    that Slurm was not asked about yet."""

    rows: dict[str, Row]
    as_of: float
    unasked: frozenset[str] = frozenset()


def own_id(row: Row) -> str | None:
    """Our id of a job of Slurm, from its comment; of an element, with its number."""
    words = row.comment.split()
    if len(words) < 2 or words[0] != COMMENT_PREFIX or not is_job_id(words[1]):
        return None
    _, _, task = row.key.partition("_")
    if not task:
        return words[1]
    _, _, offset = row.name.rpartition(".from")
    return element_id(words[1], int(task) + (int(offset) if offset.isdigit() else 0))


def list_jobs(commands: Commands, bases: Iterable[str], user: str) -> Listing:
    """The rows of these jobs (of arrays, of all their elements) that Slurm still has. Raises SiteUnreachableError."""
    wanted = sorted(set(bases))
    if not wanted:
        return Listing({}, time.time())
    # twice the same id is a list: a single one that Slurm has forgotten is an error instead of an empty answer
    which = f"--jobs={','.join([*wanted, wanted[0]])}" if len(wanted) < MANY else f"--user={user}"
    return _list(commands, which)


def list_names(commands: Commands, names: Iterable[str], user: str) -> Listing:
    as_of = time.time()
    rows: dict[str, Row] = {}
    for some in portions(sorted(set(names))):
        rows |= _list(commands, f"--name={','.join(some)}", f"--user={user}").rows
    return Listing(rows, as_of)


def list_everything(commands: Commands) -> Listing:
    """All active jobs of all users, as far as Slurm lets us see them."""
    return _list(commands, None)


def _list(commands: Commands, *which: str | None) -> Listing:
    as_of = time.time()
    filters = [w for w in which if w]
    states = ["--states=all"] if filters else []
    # without --array: waiting elements are one line, which for thousands is much quicker
    answer = commands.run("squeue", "--noheader", *states, *filters, f"--Format={FORMAT}")
    if not answer.ok:
        if "Invalid job id" in answer.errors:
            return Listing({}, as_of)
        raise unreachable("squeue", answer)
    rows = parse_rows(answer.output)
    if rows is None:
        raise SiteUnreachableError(
            f"squeue answered something that is no list of jobs: {answer.output.strip()[:80]!r}.",
            advice="Is another program of that name in front of Slurm's on PATH?",
        )
    if mixed := set(filter(holds_several, {row.reason for row in rows.values()})):
        rows |= _one_by_one(commands, {row.base for row in rows.values() if "_" in row.key and row.reason in mixed})
    return Listing(rows, as_of)


_MIXED = re.compile(r",(?=[A-Za-z]+(?: [a-z]+)*(?:,|$))")


def holds_several(reason: str) -> bool:
    """Where elements in one line wait for different reasons, it has all of them: `JobArrayTaskLimit,JobHeldUser`."""
    return _MIXED.search(reason) is not None


def _one_by_one(commands: Commands, bases: set[str]) -> dict[str, Row]:
    """A line for each element; what is not told stays as it was in the line of all."""
    found: dict[str, Row] = {}
    for some in portions(sorted(bases)):
        which = f"--jobs={','.join([*some, some[0]])}"
        answer = commands.run("squeue", "--noheader", "--array", "--states=all", which, f"--Format={FORMAT}")
        found |= (parse_rows(answer.output) or {}) if answer.ok else {}
    return found


def precedence(row: Row) -> tuple[object, ...]:
    """The order in which Slurm considers those that wait."""
    return (-row.priority, row.submitted or 0.0, order(row))


def order(row: Row) -> tuple[int, ...]:
    """Of Slurm's numbers, elements by theirs."""
    return tuple(int(part) for part in row.key.split("_") if part.isdigit())


def parse_rows(text: str) -> dict[str, Row] | None:
    """None for an answer that is not ours, or that was cut short."""
    if text.strip() and not text.rstrip("\n").endswith(_LINE):
        return None
    rows = {}
    for part in text.split(_LINE):
        line = part.lstrip("\n")
        if not line:
            continue
        values = line.split(_FIELD, len(_FIELDS) - 1)
        if len(values) != len(_FIELDS):
            return None
        row = _row(*values)
        if not row.key.endswith("]"):
            rows[row.key] = row
            continue
        rest = [getattr(row, name) for name in Row.__slots__[1:]]
        rows |= {key: Row(key, *rest) for key in expand(row.key)}
    return rows


def expand(key: str) -> list[str]:
    """`8_[0-2,7%4]` -> `8_0`, `8_1`, `8_2`, `8_7`, and `8_[0-4:2]` every second; any other as it is."""
    match = re.fullmatch(r"(\d+)_\[([\d,:-]+)(?:%\d+)?\]", key)
    if match is None:
        return [key]
    keys = []
    for part in match[2].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        keys += [f"{match[1]}_{n}" for n in range(int(first), int(last or first) + 1, int(step or 1))]
    return keys


def _row(*values: str) -> Row:
    array, task, number, state, reason, restarts, start, submitted, limit, nodes, priority, *others = values
    partition, qos, user, account, cpus, licenses, dependency, component, comment, name = others
    array = array.rpartition("\n")[2]  # a wrapper may have greeted before the first line
    element = f"{array}_{task}" if task.isdigit() else f"{array}_[{task}]"
    key = number if task == "N/A" else element
    return Row(
        *(key, state, reason, _number(restarts) or 0, _moment(start), _moment(submitted), parse_duration(limit)),
        *(_text(nodes), _number(priority) or 0, partition, _text(qos), user, _text(account), _number(cpus) or 1),
        *(_text(licenses), _text(dependency), _number(component) or 0, _text(comment), name),
    )


def parse_duration(text: str) -> int | None:
    """`1-02:03:04`, `2:03:04`, `5:00` (minutes) -> s; None for UNLIMITED, INVALID and the like."""
    days, dash, rest = text.strip().rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or (dash and not days.isdigit()) or len(parts) > 3:
        return None
    numbers = [int(part) for part in parts]
    if dash:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    else:
        hours, minutes, seconds = (
            (0, *numbers) if len(numbers) == 2 else (0, numbers[0], 0) if len(numbers) == 1 else numbers
        )
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _moment(text: str) -> float | None:
    return float(text) if text.strip().isdigit() and int(text) > 0 else None


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _text(text: str) -> str:
    return "" if text in ("(null)", "N/A", "None") else text
