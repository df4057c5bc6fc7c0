"""JobSpec and settings -> arguments of sbatch. Pure.

Every argument is one word of the form `--option=value`: a value that begins with `-`, or holds spaces, commas or quotes,
stays a value. What a person may choose with --site-option is a closed list; what exactly-once, journals and the runner rely on
is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.job.spec import JobSpec
from qhub_ext.settings import SlurmSettings

COMMENT_PREFIX = "qhub"
DUPLICATE, NO_FOLDER, NO_ROOM = 73, 72, 74
"""Exit codes of the batch script before the runner takes over (see sysexits.h)."""

CHECK_S = 60
"""Slurm looks at time limits every 30 s and sends a warning up to a minute early."""
SHORT_S = 600

# --site-option NAME=VALUE -> option of sbatch. Those without a value are switched on by `yes`.
SITE_OPTIONS = {
    "account": "--account",
    "partition": "--partition",
    "qos": "--qos",
    "constraint": "--constraint",
    "prefer": "--prefer",
    "gres": "--gres",
    "gpus": "--gpus",
    "licenses": "--licenses",
    "reservation": "--reservation",
    "qpu": "--qpu",
    "nodes": "--nodes",
    "ntasks": "--ntasks",
    "ntasks-per-node": "--ntasks-per-node",
    "cpus-per-task": "--cpus-per-task",
    "mem": "--mem",
    "mem-per-cpu": "--mem-per-cpu",
    "nodelist": "--nodelist",
    "exclude": "--exclude",
    "begin": "--begin",
    "deadline": "--deadline",
    "nice": "--nice",
    "priority": "--priority",
    "wckey": "--wckey",
    "mail-type": "--mail-type",
    "mail-user": "--mail-user",
    "tmp": "--tmp",
    "switches": "--switches",
}
SWITCHES = {"exclusive": "--exclusive", "hold": "--hold", "contiguous": "--contiguous"}
OTHERS = ("array-running", "requeue", "hetero")


@dataclass(frozen=True)
class Asked:
    """What a job asks of Slurm, by option, after tier, device and site options are put together."""

    options: dict[str, str]
    switches: tuple[str, ...]
    components: tuple[tuple[str, ...], ...]
    array_running: int | None
    requeue: bool
    limit_min: int
    signal_s: int
    time_up_s: int

    @property
    def partition(self) -> str | None:
        return self.options.get("--partition")


def ask(spec: JobSpec, settings: SlurmSettings) -> Asked:
    """Raises InvalidOptionError or UnknownNameError for a site option that is not accepted."""
    tier = settings.tier(spec.tier)
    options = {"--nodes": "1", "--ntasks": "1", "--cpus-per-task": str(spec.cpus)}
    if spec.memory_mb is not None:
        options["--mem"] = f"{spec.memory_mb}M"
    usual = {
        "--partition": tier.partition,
        "--qos": tier.qos.get(spec.profile),
        "--account": tier.account,
        "--constraint": tier.constraint,
        "--licenses": tier.licenses,
        "--gres": tier.gres,
        "--reservation": tier.reservation,
    }
    options |= {option: value for option, value in usual.items() if value}
    device = settings.device(spec.device) if spec.tier == "qpu" else None
    if device is not None:
        for option, value in (("--licenses", device.licenses), ("--gres", device.gres), ("--qpu", device.qpu)):
            if value:
                options[option] = f"{options[option]},{value}" if option in options else value
    switches = []
    running, requeue = settings.array_running, settings.requeue
    components: tuple[tuple[str, ...], ...] = ()
    for name, value in spec.site_options.items():
        _check(name, value)
        if name in SITE_OPTIONS:
            options[SITE_OPTIONS[name]] = value
        elif name in SWITCHES:
            if _truth(name, value):
                switches.append(SWITCHES[name])
        elif name == "requeue":
            requeue = _truth(name, value)
        elif name == "array-running":
            running = _count(name, value)
        elif name == "hetero":
            components = tuple(_component(part) for part in value.split(":"))
        else:
            raise UnknownNameError.among("site option of Slurm", name, sorted({*SITE_OPTIONS, *SWITCHES, *OTHERS}))
    if "--mem-per-cpu" in options:
        options.pop("--mem", None)
    limit = limit_min(spec, settings)
    return Asked(
        *(options, tuple(switches), components, running, requeue),
        *(limit, signal_s(limit, settings), time_up_s(limit, settings)),
    )


def limit_min(spec: JobSpec, settings: SlurmSettings) -> int:
    """What is asked of Slurm, which counts minutes. As everywhere on Slurm, a job is interrupted a little before its limit;
    a short one gets that time on top, because it would otherwise be interrupted as soon as it has begun."""
    wanted_s = spec.time_s + (settings.signal_s + CHECK_S if spec.time_s < SHORT_S else 0)
    most_s = settings.tier(spec.tier).time_max_s
    minutes = -(-wanted_s // 60)
    return max(1, minutes if most_s is None else min(minutes, most_s // 60))


def signal_s(limit: int, settings: SlurmSettings) -> int:
    """Seconds before a limit of so many minutes at which Slurm sends the TERM."""
    return min(settings.signal_s, max(1, limit * 60 // 4))


def time_up_s(limit: int, settings: SlurmSettings) -> int:
    """From when on a TERM that nobody announced means that the time is up, in seconds after the start."""
    return max(0, limit * 60 - signal_s(limit, settings) - CHECK_S)


def job_name(spec: JobSpec) -> str:
    """A readable beginning, then our own id: letters, digits and `._-` only, so that Slurm can be asked for it by name."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", spec.name).strip("-.")[:40].strip("-.")
    return f"{readable or 'job'}.{own_id(spec)}"


def own_id(spec: JobSpec) -> str:
    """All elements of an array are one job of Slurm."""
    return spec.element.array_id if spec.element else spec.id


def comment(spec: JobSpec) -> str:
    """What `queue` reads about jobs whose folders are closed to it."""
    return f"{COMMENT_PREFIX} {own_id(spec)} {spec.tier} {re.sub(r'[^A-Za-z0-9._-]+', '-', spec.device)}"


def arguments(spec: JobSpec, asked: Asked, *, after: Sequence[str] = (), elements: Sequence[int] = ()) -> list[str]:
    """All arguments of sbatch but the script; `after` are Slurm's ids. Sorted where order has no meaning, for snapshots."""
    options = {
        **asked.options,
        "--job-name": job_name(spec),
        "--comment": comment(spec),
        "--time": str(asked.limit_min),
        "--signal": f"B:TERM@{asked.signal_s}",
        "--output": "/dev/null",  # the script opens the attempt's own console
        "--chdir": "/",
        "--export": "ALL",
    }
    if after:
        options["--dependency"] = ",".join(f"afterok:{site_id}" for site_id in after)
    if elements:
        throttle = f"%{asked.array_running}" if asked.array_running else ""
        options["--array"] = ranges(elements) + throttle
    words = ["--parsable", "--requeue" if asked.requeue else "--no-requeue"]
    if after:
        words.append("--kill-on-invalid-dep=yes")
    words += [*asked.switches, *(f"{option}={value}" for option, value in sorted(options.items()))]
    for component in asked.components:
        words += [":", *component]
    return words


def ranges(numbers: Sequence[int]) -> str:
    """[0, 1, 2, 7] -> "0-2,7"."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def _component(text: str) -> tuple[str, ...]:
    """`partition=qpu;licenses=qpu_cloud:1` -> arguments of one further component of a heterogeneous job.

    Components are separated by `:` in one value; a colon inside of a value is written `=` `;` free, as `%3A`.
    """
    words = []
    for pair in text.split(";"):
        name, equals, value = pair.strip().partition("=")
        if not equals or name not in SITE_OPTIONS:
            raise InvalidOptionError(
                f"--site-option hetero: {pair!r} is not accepted.",
                advice="Write hetero=partition=qpu;licenses=qpu_cloud%3A1 with names of other site options.",
            )
        words.append(f"{SITE_OPTIONS[name]}={value.replace('%3A', ':')}")
    return tuple(words)


def _check(name: str, value: str) -> None:
    if not value or any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise InvalidOptionError(
            f"--site-option {name}: {value!r} is not accepted.", advice="It needs a value in one line."
        )


def _truth(name: str, value: str) -> bool:
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if value.lower() not in known:
        raise InvalidOptionError(f"--site-option {name}={value} is not accepted.", advice="Write yes or no.")
    return known[value.lower()]


def _count(name: str, value: str) -> int:
    if not value.isdigit() or int(value) < 1:
        raise InvalidOptionError(f"--site-option {name}={value} is not accepted.", advice="It is a number from 1 on.")
    return int(value)
