"""Why one job waits, with numbers, and when it may start. Asked on demand only: each costs Slurm a few questions."""

from __future__ import annotations

import re
import time

from qhub_ext.errors import SiteError
from qhub_ext.sites.scheduler import Reason, StartEstimate
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.limits import describe_limit, name_holders, tell_excess
from qhub_ext.sites.slurm.listing import Row, list_everything, parse_duration, precedence
from qhub_ext.sites.slurm.reasons import YOU, explain
from qhub_ext.sites.slurm.states import read_state

IN_LINE = frozenset({"", "None", "Priority", "Resources", "Cleaning", "Prolog", "SchedDefer", "JobArrayTaskLimit"})
"""With these reasons it starts, at the latest, when all that is ahead of it has ended."""


OWN_PAUSE_S = 300
"""What Slurm puts back waits for less by itself."""


def explain_wait(commands: Commands, row: Row, unmet: str, begin: str = "") -> Reason:
    """`unmet` is a sentence about a job that this one waits for, `begin` the earliest start that it was submitted with. A question that Slurm
    does not answer costs detail only.
    """
    word = row.reason
    try:
        detail = _detail(commands, row, word, unmet)
    except SiteError:
        detail = ""
    if word == "BeginTime" and begin and (not row.restarts or (row.start or 0.0) - time.time() > OWN_PAUSE_S):
        told = f"Its earliest start, which it was submitted with ({begin}), has not come yet.{detail}"
        return Reason(
            word, told, YOU, "Nothing needs to be done; to start earlier, cancel it and submit it with another begin."
        )
    return explain(word, facts_of(row) | {"detail": detail})


def facts_of(row: Row) -> dict[str, str]:
    return {"qos": f" {row.qos!r}" if row.qos else "", "account": f" {row.account!r}" if row.account else ""}


def _detail(commands: Commands, row: Row, word: str, unmet: str) -> str:
    if word == "Priority":
        return _ahead(commands, row)
    if word == "Resources":
        return _room(commands, row)
    if word.startswith("Dependency"):
        return f" {unmet[:1].upper()}{unmet[1:]}." if unmet else ""
    if word == "Licenses":
        return _licences(commands, row)
    if word == "BeginTime" and row.start:
        return f" That is {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(row.start))}."
    if word in ("PartitionTimeLimit", "PartitionNodeLimit", "PartitionDown", "PartitionInactive", "MaxMemPerLimit"):
        return _partition(commands, row, word)
    if word == "JobArrayTaskLimit":
        return _array(commands, row)
    return describe_limit(commands, row, word)


def _ahead(commands: Commands, row: Row) -> str:
    rows = list_everything(commands).rows.values()
    waiting = [r for r in rows if r.partition == row.partition and read_state(r.state, r.reason).state.waiting]
    ahead = [r for r in waiting if precedence(r) < precedence(row)]
    mine = sum(r.user == row.user for r in ahead)
    if not ahead:
        return ""
    yours = f", {mine} of them yours" if len(ahead) > 1 and mine else " and is yours" if mine else ""
    number = "1 job is" if len(ahead) == 1 else f"{len(ahead)} jobs are"
    return f" {number} ahead in partition {row.partition}{yours}; its priority is {row.priority}."


def _room(commands: Commands, row: Row) -> str:
    answer = commands.run("sinfo", "--noheader", f"--partition={row.partition}", "--Format=CPUsState:\x1f")
    match = re.match(r"(\d+)/(\d+)/(\d+)/(\d+)", answer.output)
    if not answer.ok or match is None:
        return ""
    used, idle, out, total = map(int, match.groups())
    broken = f", {out} are out of service" if out else ""
    return f" {used} of {total} CPUs of partition {row.partition} are in use{broken}; it asks for {row.cpus}, {idle} are free."


def _licences(commands: Commands, row: Row) -> str:
    answer = commands.run("scontrol", "--oneliner", "show", "licenses")
    parts = []
    for wanted in row.licenses.split(","):
        name, _, count = wanted.partition(":")
        match = re.search(rf"LicenseName={re.escape(name)} Total=(\d+) Used=(\d+)", answer.output)
        if match:
            parts.append(f"{name}: {match[2]} of {match[1]} are in use, it asks for {count or 1}")
    holders = [
        r for r in list_everything(commands).rows.values() if r.licenses and r.state == "RUNNING" and r.key != row.key
    ]
    names = {w.partition(":")[0] for w in row.licenses.split(",")}
    mine = [r for r in holders if r.user == row.user and names & {w.partition(":")[0] for w in r.licenses.split(",")}]
    return (f" {'; '.join(parts)}." if parts else "") + name_holders(mine)


def _array(commands: Commands, row: Row) -> str:
    answer = commands.run("scontrol", "--oneliner", "show", "job", row.key)
    match = re.search(r" ArrayTaskThrottle=(\d+)", answer.output)
    return f" The limit is {match[1]}." if match and answer.ok else ""


_MEMORY = {"MaxMemPerNode": "per node", "MaxMemPerCPU": "per CPU"}


def _partition(commands: Commands, row: Row, word: str) -> str:
    answer = commands.run("scontrol", "--oneliner", "show", "partition", row.partition)
    fields = dict(re.findall(r"(\w+)=(\S+)", answer.output))
    if word == "PartitionTimeLimit" and row.limit_s and fields.get("MaxTime"):
        allowed = parse_duration(fields["MaxTime"])
        if allowed is not None:
            return tell_excess(row.limit_s, allowed, f"partition {row.partition}")
    if word == "PartitionNodeLimit":
        return (
            f" Partition {row.partition} allows {fields.get('MinNodes', '?')} to {fields.get('MaxNodes', '?')} nodes."
        )
    if word == "MaxMemPerLimit":
        most = [f"{fields[n]} MB {what}" for n, what in _MEMORY.items() if fields.get(n, "UNLIMITED").isdigit()]
        return f" Partition {row.partition} allows {' and '.join(most)}." if most else ""
    return f" Partition {row.partition} is {fields.get('State', 'unknown').lower()}."


def estimate_start(commands: Commands, row: Row) -> StartEstimate:
    word = read_state(row.state, row.reason)
    if not word.state.waiting:
        return StartEstimate(row.start, row.start, "It has started.")
    if word.state.value == "held" or row.reason.startswith(("JobHeld", "launch")):
        return StartEstimate(None, None, "It is held; it has no start until it is released.")
    if row.reason == "DependencyNeverSatisfied":
        return StartEstimate(None, None, "Its dependency is never satisfied; it will not start.")
    key = row.key
    # with --start, squeue listens to --format only
    answer = commands.run("squeue", "--noheader", "--start", "--array", f"--jobs={key},{key}", "--format=%S")
    planned = (answer.output.split() or [""])[0] if answer.ok else ""
    now = time.time()
    if planned.isdigit() and int(planned) > 0:
        start = max(float(planned), now)
        return StartEstimate(start, start, "Slurm's own plan; it moves when jobs end early or others come first.")
    if row.reason == "Dependency":
        return StartEstimate(None, None, "It waits for other jobs; Slurm plans its start when they have ended.")
    if row.reason not in IN_LINE:  # those ahead say nothing about when that is over
        return StartEstimate(None, None, explain(row.reason, facts_of(row)).sentence)
    latest = _bound(commands, row, now)
    if latest is None:
        return StartEstimate(now, None, "Slurm has no answer yet, and jobs without a time limit are ahead.")
    return StartEstimate(
        now, latest, "Slurm has no answer yet; the latest is the sum of the time limits of all that is ahead."
    )


def _bound(commands: Commands, row: Row, now: float) -> float | None:
    """As if all that runs ran to its limit and all that is ahead ran one after the other."""
    rows = [r for r in list_everything(commands).rows.values() if r.partition == row.partition and r.key != row.key]
    end = now
    for other in rows:
        state = read_state(other.state, other.reason).state
        if not state.waiting:
            if other.limit_s is None or other.start is None:
                return None
            end = max(end, other.start + other.limit_s)
    for other in rows:
        state = read_state(other.state, other.reason).state
        if state.value == "queued" and precedence(other) < precedence(row):
            if other.limit_s is None:
                return None
            end += other.limit_s
    return end
