"""Every reason that Slurm (22.05 to 26.05) can give for a job that waits or did not run: a sentence, whose move it is, advice.

Most are limits, whose names are put together from the same parts: who counts (`QOS`, `Assoc`), over what (`Grp`, `PerUser`,
`PerAccount`, `PerJob`, `PerNode`), which resource, and whether the resource or its minutes are counted. They are read by
that grammar; all others stand in the table. `{...}` is filled in with facts of the job.
"""

from __future__ import annotations

import functools
import re

from qhub_ext.sites.scheduler import Reason
from qhub_ext.sites.slurm.sentences import read_sentence

YOU, SITE = "you", "site"
_ASK_SITE = "Ask the site."

# word -> (sentence, whose move, advice)
REASONS: dict[str, tuple[str, str, str]] = {
    "None": ("It has just arrived; Slurm has not looked at it yet.", SITE, "Ask again in a few seconds."),
    "Priority": ("Jobs with a higher priority are ahead of it.", SITE, "Nothing needs to be done."),
    "Resources": ("It is next, and waits for nodes to become free.", SITE, "Nothing needs to be done."),
    "Dependency": ("It waits for jobs that must complete first.", YOU, "See that those jobs run."),
    "DependencyNeverSatisfied": (
        "A job that it waits for did not complete, so its dependency is never satisfied.",
        YOU,
        "Cancel it, run the other job again, and submit this one after it.",
    ),
    "JobHeldUser": ("It is held, by its owner.", YOU, "`release` lets it queue again."),
    "JobHeldAdmin": ("It is held by the site, or its priority is zero.", SITE, "Ask the site why."),
    "JobHoldMaxRequeue": (
        "It was started and put back too often, so Slurm holds it.",
        YOU,
        "Look at its attempts, then release it.",
    ),
    "BeginTime": ("Its earliest start has not come yet.", SITE, "After a requeue this takes a minute or two."),
    "Licenses": ("It waits for licences that other jobs hold.", SITE, "It starts when one of them ends."),
    "Reservation": ("It waits for its reservation.", SITE, "It starts when the reservation does."),
    "ReservationDeleted": ("Its reservation was deleted.", YOU, "Submit it without --site-option reservation."),
    "ReservationInvalid": ("Its reservation does not exist or is closed to you.", YOU, "Name another reservation."),
    "ReqNodeNotAvail": (
        "A node that it needs is down, drained or set aside for a reservation.",
        SITE,
        "It starts when the node is back; without a fixed node, or shorter than the time until the reservation, it may start earlier.",
    ),
    "NodeDown": ("A node that it needs is down.", SITE, "It starts when the node is back."),
    "FrontEndDown": ("No front end node is up to run it.", SITE, _ASK_SITE),
    "PartitionDown": ("The partition is closed at the moment.", SITE, "Choose another, or wait until it opens."),
    "PartitionInactive": (
        "The partition takes no work at the moment.",
        SITE,
        "Choose another, or wait until it opens.",
    ),
    "PartitionNodeLimit": (
        "It asks for more nodes than the partition allows, or fewer than it requires.",
        YOU,
        "Ask for another number of nodes.",
    ),
    "PartitionTimeLimit": ("It asks for more time than the partition allows.", YOU, "Ask for less with --time."),
    "PartitionConfig": (
        "The partition's rules do not admit it (nodes, memory or account).",
        YOU,
        "Choose another partition, or ask the site.",
    ),
    "MaxMemPerLimit": (
        "It asks for more memory per CPU or node than the partition allows.",
        YOU,
        "Ask for less memory.",
    ),
    "BadConstraints": ("No node has what it asks for.", YOU, "Ask for less, or for other features."),
    "Constraints": ("No node can give what it asks for at the moment.", SITE, "Ask for less, or wait."),
    "InvalidAccount": ("Its account does not exist or is closed to you.", YOU, "Name another with --account."),
    "AccountNotAllowed": ("The partition does not admit its account.", YOU, "Name another account or partition."),
    "AccountingPolicy": ("A limit of the accounting stands against it.", SITE, _ASK_SITE),
    "InvalidQOS": ("Its QOS does not exist or is closed to you.", YOU, "Choose another --profile or QOS."),
    "QOSNotAllowed": ("The partition or account does not admit its QOS.", YOU, "Choose another --profile or QOS."),
    "QOSUsageThreshold": (
        "Your fair share of this QOS is used up for the moment.",
        SITE,
        "It recovers with time; another profile may start earlier.",
    ),
    "QOSJobLimit": ("The QOS runs as many jobs as it may.", SITE, "It starts when one of them ends."),
    "QOSResourceLimit": ("The QOS uses as much as it may.", SITE, "It starts when some of it becomes free."),
    "QOSTimeLimit": ("The QOS has used as much time as it may.", SITE, "Choose another profile, or wait."),
    "AssociationJobLimit": ("Your account runs as many jobs as it may.", SITE, "It starts when one of them ends."),
    "AssociationResourceLimit": (
        "Your account uses as much as it may.",
        SITE,
        "It starts when some of it becomes free.",
    ),
    "AssociationTimeLimit": ("Your account has used as much time as it may.", SITE, "Use another account, or wait."),
    "JobArrayTaskLimit": (
        "As many elements of its array run as may run at a time.",
        YOU,
        "Submit with --site-option array-running=N for more.",
    ),
    "Cleaning": ("Its last attempt is still being cleaned up.", SITE, "Nothing needs to be done."),
    "Prolog": ("The site's prologue runs on its nodes.", SITE, "Nothing needs to be done."),
    "SchedDefer": ("Slurm looks at new jobs only at intervals.", SITE, "Nothing needs to be done."),
    "BurstBufferResources": ("It waits for room on the burst buffer.", SITE, "Nothing needs to be done."),
    "BurstBufferStageIn": ("Its files are being staged in.", SITE, "Nothing needs to be done."),
    "BurstBufferOperation": ("A burst buffer operation failed.", SITE, _ASK_SITE),
    "PowerNotAvail": ("The power budget of the site does not admit it now.", SITE, "Nothing needs to be done."),
    "PowerReserved": ("Power that it needs is reserved.", SITE, "Nothing needs to be done."),
    "MaxPoweredUpNodes": ("As many nodes are powered up as may be.", SITE, "It starts when one becomes free."),
    "MpiPortsBusy": ("No network ports are free for MPI on its nodes.", SITE, "It starts when some become free."),
    "NvidiaImexChannels": ("All channels between its GPUs are in use.", SITE, "It starts when one becomes free."),
    "FedJobLock": ("Another cluster of the federation decides about it.", SITE, "Nothing needs to be done."),
    "BlockMaxError": ("A block of the machine failed too often.", SITE, _ASK_SITE),
    "BlockFreeAction": ("A block of the machine is being freed.", SITE, "Nothing needs to be done."),
    # words that end an attempt rather than delay it
    "JobLaunchFailure": (
        "Slurm could not start it on its node.",
        SITE,
        "Ask the site to look at the node; a job folder or home that the node does not see is a common cause.",
    ),
    "launch failed requeued held": (
        "Slurm could not start it on its node (most often the site's prologue failed or the node's disk is full), put it back "
        "and holds it.",
        SITE,
        "Ask the site to look at the node, then release the job.",
    ),
    # slurmctld writes whole sentences for these
    "job requeued in held state": (
        "It was put back into the queue and is held.",
        YOU,
        "`release` lets it run again, as a new attempt.",
    ),
    "job requeued in special exit state": (
        "It was put back into the queue after an exit that the site marks as special, and is held.",
        YOU,
        "Look at its console; `release` lets it run again.",
    ),
    "Job's account not permitted to use this partition": (
        "The partition does not admit its account{account}.",
        YOU,
        "Submit it with another --account or --partition.",
    ),
    "Job's QOS not permitted to use this partition": (
        "The partition does not admit its QOS{qos}.",
        YOU,
        "Submit it with another --profile or --partition.",
    ),
    "user env retrieval failed requeued held": (
        "Slurm could not read your login environment in time, put it back and holds it.",
        YOU,
        "See that your shell's start-up files end quickly and without a question; `release` lets it run again.",
    ),
    "licences no longer valid": (
        "The site has changed its licences, and the job asks for some that are not there any more, so Slurm holds it.",
        YOU,
        "Cancel it and submit it again; `qhub doctor` shows which licences qhub.toml asks for.",
    ),
    "group not permitted": (
        "The partition does not admit your groups.",
        YOU,
        "Submit it with another --partition, or ask the site to admit you.",
    ),
    "reservation ended": (
        "The reservation that it ran under ended, and it with it.",
        YOU,
        "Ask for less time, or run it outside the reservation.",
    ),
    "used up while it ran": (
        "The time that the site grants was used up while it ran, and it was ended.",
        SITE,
        "It recovers when the site's accounting period ends or decays; another account or profile may start earlier.",
    ),
    "BurstBufferStageOut": ("Its files are being staged out.", SITE, "Nothing needs to be done."),
    "SystemFailure": ("Slurm itself failed.", SITE, _ASK_SITE),
    "NonZeroExitCode": ("Its script ended with an exit code other than 0.", YOU, "Look at its console."),
    "RaisedSignal": ("A signal ended its script.", YOU, "Look at its console."),
    "TimeLimit": ("It reached its time limit.", YOU, "Ask for more with --time."),
    "InactiveLimit": ("It was inactive for longer than the site allows.", YOU, _ASK_SITE),
    "DeadLine": ("Its deadline cannot be met or has passed.", YOU, "Ask for a later deadline or less time."),
    "OutOfMemory": ("It used more memory than it was given.", YOU, "Ask for more memory."),
}

_WHO = {"QOS": "the QOS{qos}", "Assoc": "your account{account}", "": "the QOS{qos}"}
_RESOURCE = {
    "BB": "burst buffer", "Billing": "billing units", "CPU": "CPUs", "Cpu": "CPUs", "Energy": "energy",
    "GRES": "generic resources (such as GPUs or QPUs)", "License": "licences", "Mem": "memory", "Memory": "memory",
    "Node": "nodes", "Unknown": "a resource", "Jobs": "jobs", "SubmitJobs": "waiting and running jobs", "Job": "jobs",
    "SubmitJob": "waiting and running jobs", "Wall": "time", "WallDuration": "time",
}  # fmt: skip
_LIMIT = re.compile(
    r"(?P<who>QOS|Assoc|)(?P<kind>Grp|Max|Min)(?P<what>SubmitJobs?|Jobs?|WallDuration|Wall|BB|Billing|C[Pp][Uu]|Energy|GRES"
    r"|License|Memory|Mem|Node|Unknown)(?P<minutes>RunMinutes|Minutes|RunMins)?(?P<per>PerJob|PerNode|PerUser|PerAccount)?"
    r"(?P<tail>Limit|NotSatisfied)?"
)


def explain(word: str, facts: dict[str, str] | None = None) -> Reason:
    """`facts`: texts to fill in, each with its own leading blank or empty: qos, account, detail. Unknown words are shown raw."""
    known = {"qos": "", "account": "", "detail": "", **(facts or {})}
    base, rest = _split(re.sub(r"^\((.*)\)$", r"\1", word.strip()))  # squeue's %R puts it in brackets
    detail = f" {rest}." if rest else ""
    if base in REASONS:
        sentence, audience, advice = REASONS[base]
    else:
        found = _explain_limit(base)
        if found is None:
            raw = "It waits, and Slurm names no reason." if not base else f"Slurm says {word!r}."
            return Reason(
                word, raw + known["detail"], SITE, "Slurm's own documentation explains the word." if base else ""
            )
        sentence, audience, advice = found
    return Reason(base, _fill(sentence, known) + detail + known["detail"], audience, advice)


@functools.lru_cache(maxsize=1024)
def sentence_of(word: str, qos: str, account: str) -> str:
    """ "" where Slurm names no reason."""
    if word in ("", "None"):
        return ""
    return explain(word, {"qos": f" {qos!r}", "account": f" {account!r}"}).sentence


def _split(word: str) -> tuple[str, str]:
    """A word of the table, and the detail that squeue adds: `ReqNodeNotAvail, UnavailableNodes:emu01`."""
    if (sentence := read_sentence(word)) is not None:
        return sentence
    base, _, rest = word.partition(",")
    return base.strip(), rest.strip()


def is_known(word: str) -> bool:
    base, _ = _split(word)
    return base in REASONS or _explain_limit(base) is not None


def _explain_limit(word: str) -> tuple[str, str, str] | None:
    match = _LIMIT.fullmatch(word)
    if match is None:
        return None
    who, what = _WHO[match["who"]], _RESOURCE[match["what"]]
    per = match["per"] or (
        "PerUser" if match["kind"] == "Max" and match["what"].startswith(("Job", "SubmitJob")) else ""
    )
    if match["kind"] == "Min":
        return f"It asks for less ({what}) than {who} requires of a job.", YOU, f"Ask for more: {what}."
    if per in ("PerJob", "PerNode"):
        place = "a job" if per == "PerJob" else "a node"
        counted = "minutes of " if match["minutes"] else ""
        advice = "Ask for less with --time." if what == "time" or match["minutes"] else f"Ask for less: {what}."
        return f"It asks for more {counted}{what} than {who} allows {place}.", YOU, advice
    whose = {
        "PerUser": "Your jobs together",
        "PerAccount": "All jobs of the account together",
        "": "All jobs together",
    }[per]
    run = match["minutes"] or ""
    if run.startswith("Run"):
        return (
            f"{whose} would have more minutes of {what} left to run than {who} allows.",
            SITE,
            "It starts when running jobs have come nearer to their end; shorter jobs fit earlier.",
        )
    if run or what == "time":
        return (
            f"{whose} have used the time ({what}) that {who} grants.",
            SITE,
            "It recovers when the site's accounting period ends or decays; another account or profile may start earlier.",
        )
    verb = "are as many as" if what in ("jobs", "waiting and running jobs") else f"use as much ({what}) as"
    return (
        f"{whose} {verb} {who} allows at a time.",
        SITE if per != "PerUser" else YOU,
        "It starts when one of them ends.",
    )


def _fill(sentence: str, facts: dict[str, str]) -> str:
    for name, value in facts.items():
        sentence = sentence.replace("{" + name + "}", value)
    return sentence
