"""What sbatch says when it takes a job not in: whose slip or whose rule that is, in plain words. Nothing was queued then."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qhub_ext.errors import Audience, Cause, SiteError
from qhub_ext.job.spec import JobSpec
from qhub_ext.sites.slurm.commands import Answer, no_cluster

_DOCTOR = "`qhub doctor` compares qhub.toml with the cluster: partition, account, QOS, licences."
# Slurm's words -> what that means and what to do; `{...}` is filled in with what the job asks for
_PLAIN = (
    (r"time limit is invalid", "it asks for {time} s, and its partition or QOS allows less", "Ask for less with --time."),
    (r"CPU count per node|More processors requested", "no node of its partition has {cpus} for one job", "Ask for fewer with --cpus, or choose another --partition."),
    (r"Memory specification can not", "no node of its partition has the memory that it asks for ({memory})", "Ask for less with --memory, or choose another --partition."),
    (r"node configuration is not available", "no node of its partition has all that it asks for", "`sinfo` shows the nodes; ask for less or other features, or choose another --partition."),
    (r"Node count specification|node count \d+ is less", "it asks for a number of nodes that its partition does not allow", "Ask for another number of nodes."),
    (r"reservation is invalid", "its reservation{reservation} does not exist, or has ended", "`scontrol show reservation` lists those that there are; without one, leave the option out."),
    (r"Access denied to requested reservation", "its reservation{reservation} is closed to you", "Name another one, or ask the site."),
    (r"[Ii]nvalid partition", "the cluster has no partition{partition}", f"`sinfo` lists the partitions. {_DOCTOR}"),
    (r"partition not available", "its partition{partition} takes no jobs at the moment", "Choose another --partition, or wait until the site opens it."),
    (r"[Ii]nvalid qos", "its QOS{qos} does not exist or is closed to you", f"Choose another --profile or QOS. {_DOCTOR}"),
    (r"[Ii]nvalid account", "its account{account} does not exist or is closed to you", f"Name another with --account. {_DOCTOR}"),
    (r"[Ii]nvalid feature", "its constraint{constraint} names a feature that the cluster does not have, or cannot be read", "`sinfo --format=%f` lists the features."),
    (r"Invalid license", "the cluster does not have the licences{licenses}, or not so many", f"`scontrol show licenses` lists them. {_DOCTOR}"),
    (r"Invalid generic resource|Invalid Trackable", "the cluster does not have the generic resources{gres}", f"`sinfo --format=%G` lists them. {_DOCTOR}"),
    (r"Invalid node name", "the cluster has no such node", "`sinfo` lists the nodes."),
    (r"nodes not in this partition", "the nodes that it names are not in its partition", "Name others, or the partition that they are in."),
    (r"accounting/QOS policy", "a limit of your account or QOS stands against it (number of jobs, size or time)", "Ask for less, or wait until some of your jobs have ended."),
    (r"unrecognized option '--qpu", "sbatch has no option --qpu here", "It comes with the SPANK plugin of QRMI; without it, name licences or generic resources."),
)  # fmt: skip
# names that the cluster does not have: (Slurm's words, the site option that would have given the name)
_NAMES = (
    (r"[Ii]nvalid partition", "partition"),
    (r"Invalid license", "licenses"),
    (r"Invalid generic resource|Invalid Trackable RESource", "gres"),
    (r"unrecognized option '--qpu", "qpu"),
)
_RULES = re.compile(
    r"[Ii]nvalid (qos|account|feature)|accounting/QOS policy|reservation is invalid|Access denied to requested reservation|partition not available"
    r"|node configuration is not available|not permitted|time limit is invalid|More processors requested than permitted|Node count specification"
)
_UNREADABLE = re.compile(
    r"Invalid numeric value|Invalid time specification|Invalid --[\w-]+ specification|Invalid node name|nodes not in this partition"
    r"|node count \d+ is less than|must be [<>]|invalid option|Invalid argument"
)
"""What sbatch says of a value that it does not understand: those of qhub.toml were tried by others before."""
_FULL = re.compile(r"I/O error writing script")
_DECORATION = re.compile(r"^\w+: (error: )?|Batch job submission failed: |^Try \"sbatch.*$")


def refusal_of(spec: JobSpec, answer: Answer) -> SiteError:
    said = f"{answer.errors} {answer.output}"
    if _FULL.search(said):
        return SiteError(
            "Slurm could not take the job in: the disk of slurmctld is full. Nothing was queued.",
            advice="Ask the site to make room, then submit again.",
        )
    words = _words(answer)
    nowhere = no_cluster("sbatch", answer)
    if nowhere is not None:
        told = SiteError(f"{nowhere[0]} Nothing was queued.", advice=nowhere[1])
        told.cause, told.audience = Cause.INTEGRATION, Audience.YOU
        return told
    found = next(((plain, advice) for pattern, plain, advice in _PLAIN if re.search(pattern, said)), None)
    if found is None:
        message, advice = f"Slurm refused the job: {words}. {_asked(spec)} Nothing was queued.", _DOCTOR
    else:
        plain, advice = found
        message = (
            f"Slurm refused the job: {plain.format_map(_Facts(spec))}. Nothing was queued. Slurm's own words: {words}."
        )
    told = SiteError(message, advice=advice)
    told.cause, told.audience = _cause(said, spec.site_options)
    return told


def _words(answer: Answer) -> str:
    lines = (_DECORATION.sub("", line.strip()).strip(" .") for line in answer.errors.splitlines())
    return "; ".join(dict.fromkeys(line for line in lines if line))[:400] or f"exit code {answer.code}"


def _asked(spec: JobSpec) -> str:
    memory = f" and {spec.memory_mb} MiB" if spec.memory_mb else ""
    return f"It asks for {_cpus(spec)}{memory} for {spec.time_s} s."


def _cpus(spec: JobSpec) -> str:
    return "1 CPU" if spec.cpus == 1 else f"{spec.cpus} CPUs"


class _Facts(dict[str, str]):
    """What the job asks for; of a site option, its value with a blank before it, or nothing where its line does not say."""

    def __init__(self, spec: JobSpec) -> None:
        asked = spec.site_options
        memory = asked.get("mem") or asked.get("mem-per-cpu") or f"{spec.memory_mb} MiB"
        super().__init__(time=str(spec.time_s), cpus=_cpus(spec), memory=memory)
        self._asked = asked

    def __missing__(self, name: str) -> str:
        return f" {self._asked[name]!r}" if name in self._asked else ""


def _cause(said: str, chosen: Mapping[str, str]) -> tuple[Cause, Audience]:
    """A name that the line gave is a slip in the line; one of qhub.toml is the site's or the user's configuration."""
    for pattern, option in _NAMES:
        if re.search(pattern, said):
            return (Cause.CODE, Audience.YOU) if option in chosen else (Cause.INTEGRATION, Audience.YOU)
    if _UNREADABLE.search(said) and chosen:
        return Cause.CODE, Audience.YOU
    return (Cause.QUEUE_POLICY, Audience.YOU) if _RULES.search(said) else (Cause.INTEGRATION, Audience.SITE)
