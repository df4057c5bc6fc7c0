"""What slurmctld (22.05 to 26.05) writes about a job where a word would do: which word of the table it stands for, and what it
adds to it.

squeue shows these in the place of the word, scontrol with underscores for blanks.
"""

from __future__ import annotations

import re

_ACCOUNT, _QOS = "Job's account not permitted to use this partition", "Job's QOS not permitted to use this partition"
_LIMIT = r"(?:QOS (?P<qos>\S+?)'s|association \((?P<association>.*?)\))"

# pattern -> word of the table, and a sentence without its full stop; `{...}` is what the pattern caught
_SENTENCES: dict[str, tuple[str, str]] = {
    r"Nodes required for job are DOWN, DRAINED.*": ("ReqNodeNotAvail", ""),
    r"Reservation (?P<name>\S+) was deleted": ("ReservationDeleted", "It was called {name}"),
    r"Reservation (?P<name>\S+) is invalid": ("ReservationInvalid", "It is called {name}"),
    r"Reservation (?P<name>\S+), which this job was running under, has ended": ("reservation ended", "It was called {name}"),
    rf"{_ACCOUNT}(?: \((?P<rule>.*?)\)?)?": (_ACCOUNT, "Partition {rule}"),
    rf"{_QOS}(?: \((?P<rule>.*?)\)?)?": (_QOS, "Partition {rule}"),
    r"Job's account not known, so it can't use this partition(?: \((?P<rule>.*?)\)?)?": ("InvalidAccount", "Partition {rule}"),
    r"Job's QOS not known, so it can't use this partition(?: \((?P<rule>.*?)\)?)?": ("InvalidQOS", "Partition {rule}"),
    r"uid \d+ not in group permitted to use this partition \((?P<partition>\S+)\)\. groups allowed: (?P<groups>.*)": (
        "group not permitted", "{partition} admits members of {groups}",
    ),
    r"launch failed requeued held": ("launch failed requeued held", ""),
    r"launch failure limit exceeded requeued held": ("JobHoldMaxRequeue", "It could not be launched on its nodes"),
    r"user env retrieval failed requeued held": ("user env retrieval failed requeued held", ""),
    r"job requeued in held state": ("job requeued in held state", ""),
    r"job requeued in special exit state": ("job requeued in special exit state", ""),
    r"License request '(?P<licences>.*)' is no longer valid, holding job": (
        "licences no longer valid", "It asks for {licences}",
    ),
    r"RaisedSignal:(?P<number>\d+)\((?P<name>.*?)\)?": ("RaisedSignal", "It was signal {number}: {name}"),
    rf"Job is at or exceeds {_LIMIT} (?:group )?(?:max TRES\((?P<what>[^)]*)\) minutes|wall limit)(?: of)? (?P<most>\d+) with"
    r" (?P<used>\d+)": ("used up while it ran", "Used {used} of {most} minutes ({what})"),
    r"(?P<whole>Unable to load job (?:batch script|environment))": ("SystemFailure", "It says: {whole}"),
    r"(?P<whole>incomplete hetjob|Invalid HetJob component|invalid het_job_id_set)": ("SystemFailure", "It says: {whole}"),
    r"(?P<whole>Memory resize to .* failed on node .*)": ("SystemFailure", "It says: {whole}"),
    r"(?:burst_buffer/\w+: )?Stage-out in progress": ("BurstBufferStageOut", ""),
    # the plug-ins pass on what the site's own scripts say
    r"(?P<whole>burst_buffer/\w+: .*|Burst buffer \S+ error|Error managing persistent burst buffers|Invalid burst buffer spec.*"
    r"|Could not find burst buffer record|teardown failed: .*)": ("BurstBufferOperation", "It says: {whole}"),
}  # fmt: skip
_READ = [(re.compile(pattern.replace(" ", "[ _]")), *meaning) for pattern, meaning in _SENTENCES.items()]

# a job that was put back this way does not run before somebody releases it
_HELD = re.compile(
    r"launch fail|user env retrieval|job requeued in (held|special exit) state|reservation .* was deleted"
    r"|license request .* no longer valid|.*jobheldadmin",
    re.IGNORECASE,
)


def read_sentence(text: str) -> tuple[str, str] | None:
    """The word of the table, and a detail or nothing; None for what is not one of slurmctld's sentences."""
    for pattern, word, detail in _READ:
        if match := pattern.fullmatch(text):
            caught = {name: value or "" for name, value in match.groupdict().items()}
            return word, detail.format(**caught).replace(" ()", "") if any(caught.values()) else ""
    return None


def says_held(text: str) -> bool:
    return bool(_HELD.match(text.replace("_", " ")))
