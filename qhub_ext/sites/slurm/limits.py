"""The number behind the name of a limit, by how much the job is over it, and which jobs of the user count towards it."""

from __future__ import annotations

import re

from qhub_ext.job.identity import short_id
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.listing import Row, list_everything, own_id, parse_duration

_NAMED = 5
"""So many jobs are named; of more, the number is told."""

# what the reason's word holds, without QOS or Assoc before it -> column of sacctmgr, and the unit of its value
QOS_COLUMNS = (
    ("MaxWallDurationPerJob", "MaxWall", "time"),
    ("MaxJobsPerUser", "MaxJobsPU", "jobs"),
    ("MaxSubmitJobPerUser", "MaxSubmitPU", "jobs"),
    ("MaxJobsPerAccount", "MaxJobsPA", "jobs"),
    ("MaxSubmitJobsPerAccount", "MaxSubmitPA", "jobs"),
    ("GrpJobs", "GrpJobs", "jobs"),
    ("GrpSubmitJobs", "GrpSubmit", "jobs"),
    ("GrpWall", "GrpWall", "time"),
    ("^Min", "MinTRES", "tres"),
    ("RunMinsPerUser", "MaxTRESRunMinsPU", "tres"),
    ("RunMinsPerAccount", "MaxTRESRunMinsPA", "tres"),
    ("PerUser", "MaxTRESPU", "tres"),
    ("PerAccount", "MaxTRESPA", "tres"),
    ("PerNode", "MaxTRESPerNode", "tres"),
    ("MinutesPerJob", "MaxTRESMins", "tres"),
    ("PerJob", "MaxTRES", "tres"),
    ("RunMinutes", "GrpTRESRunMins", "tres"),
    ("Minutes", "GrpTRESMins", "tres"),
    ("Grp", "GrpTRES", "tres"),
    ("UsageThreshold", "UsageThres", "share"),
)
ASSOCIATION_COLUMNS = (
    ("MaxWallDurationPerJob", "MaxWall", "time"),
    ("MaxJobs", "MaxJobs", "jobs"),
    ("MaxSubmitJob", "MaxSubmit", "jobs"),
    ("GrpJobs", "GrpJobs", "jobs"),
    ("GrpSubmitJobs", "GrpSubmit", "jobs"),
    ("GrpWall", "GrpWall", "time"),
    ("MinutesPerJob", "MaxTRESMins", "tres"),
    ("PerNode", "MaxTRESPerNode", "tres"),
    ("PerJob", "MaxTRES", "tres"),
    ("RunMinutes", "GrpTRESRunMins", "tres"),
    ("Minutes", "GrpTRESMins", "tres"),
    ("Grp", "GrpTRES", "tres"),
)


def column_of(word: str) -> tuple[str, str] | None:
    """The column of sacctmgr that holds this limit, and its unit; None for a word that names no limit with a number."""
    of_association = word.startswith("Assoc") and not word.startswith("Association")
    if not (of_association or re.match(r"QOS(Grp|Max|Min|UsageThreshold)|Max\w+Per(User|Account)$", word)):
        return None
    base = word.removeprefix("QOS").removeprefix("Assoc")
    columns = ASSOCIATION_COLUMNS if of_association else QOS_COLUMNS
    return next(((name, unit) for part, name, unit in columns if re.search(part, base)), None)


def describe_limit(commands: Commands, row: Row, word: str) -> str:
    """A sentence or two behind the explanation, or nothing."""
    column = column_of(word)
    if column is None:
        return ""
    name, unit = column
    of_qos = not word.startswith("Assoc")
    which = ["qos", f"name={row.qos}"] if of_qos else ["association", f"user={row.user}", f"account={row.account}"]
    answer = commands.run("sacctmgr", "--noheader", "--parsable2", "show", *which, f"format={name}")
    value = answer.output.splitlines()[0].strip() if answer.ok and answer.output.strip() else ""
    if not value:
        return ""
    per_job = re.search(r"Per(Job|Node)|^(QOS)?Min", word) is not None
    if unit == "time" and per_job and row.limit_s:
        allowed = parse_duration(value)
        if allowed is not None:
            return tell_excess(row.limit_s, allowed, f"QOS {row.qos}" if of_qos else f"account {row.account}")
    told = f" The limit is {value} ({name})."
    if per_job:
        return f"{told} It asks for {row.cpus} CPUs."
    rows = list_everything(commands).rows.values()
    same = [r for r in rows if (r.qos == row.qos if of_qos else r.account == row.account) and r.state == "RUNNING"]
    mine = [r for r in same if r.user == row.user]
    counted = f" {len(mine)} of yours run, with {sum(r.cpus for r in mine)} CPUs." if mine else ""
    return told + counted + name_holders(mine)


def tell_excess(asked_s: int, allowed_s: int, whose: str) -> str:
    more = max(0, asked_s - allowed_s)
    return (
        f" It asks for {asked_s // 60} minutes (with those that it needs to seal its results), {whose} allows "
        f"{allowed_s // 60}: {-(-more // 60)} too many."
    )


def name_holders(rows: list[Row]) -> str:
    """By the names that the verbs take; those that were sent without qhub by Slurm's number."""
    if not rows:
        return ""
    keys = [short_id(mine) if (mine := own_id(r)) else f"{r.key} of Slurm" for r in rows]
    shown = ", ".join(sorted(keys)[:_NAMED]) + (f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else "")
    return f" Yours that hold it: {shown}."
