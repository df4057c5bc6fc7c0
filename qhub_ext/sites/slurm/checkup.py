"""What `qhub doctor` says of a Slurm cluster: each setting held against the live cluster, and what to mend."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from qhub_ext.errors import SiteError
from qhub_ext.settings import Settings
from qhub_ext.sites.scheduler import Finding
from qhub_ext.sites.slurm.commands import Commands, no_cluster
from qhub_ext.sites.slurm.mapping import examine_devices, examine_tiers
from qhub_ext.sites.slurm.probe import CLOCK_S, probe

OLDEST, NEWEST = (22, 5), (26, 5)


def examine(commands: Commands, settings: Settings, user: str) -> list[Finding]:
    findings: list[Finding] = []
    try:
        for finding in _steps(commands, settings, user):
            findings.append(finding)
            if finding.level == "failure" and finding.facts.get("stop"):
                break
    except SiteError as error:
        findings.append(Finding("failure", error.message, error.advice))
    return findings


def _steps(commands: Commands, settings: Settings, user: str) -> Iterator[Finding]:
    yield _version(commands)
    munge = _munge(commands)
    ping = commands.run("scontrol", "ping")
    answers = ping.ok and "UP" in ping.output
    if munge and (munge.level == "ok" or not answers):  # what answers without it does not need it
        yield munge
    if not answers and munge and munge.level == "failure":
        return
    if not answers:
        said = ping.sentence or ping.output.strip()
        refused = re.search("(?i)munge|auth", said)
        hint = "Do key and clock of this machine agree with the cluster's?" if refused else "Ask the site."
        yield Finding("failure", f"slurmctld does not answer: {said}.", hint, {"stop": "1"})
        return
    yield Finding("ok", f"slurmctld answers in {ping.took_s * 1000:.0f} ms.")
    configuration = _configuration(commands)
    yield from _clock(configuration)
    yield _array_limit(settings, configuration)
    yield _accounting(commands, configuration)
    yield from examine_tiers(commands, settings, user)
    yield from examine_devices(commands, settings)
    yield from probe(commands, settings, user)


def _version(commands: Commands) -> Finding:
    answer = commands.run("sbatch", "--version")
    nowhere = no_cluster("sbatch", answer)
    if nowhere is not None:
        return Finding("failure", *nowhere, {"stop": "1"})
    match = re.search(r"(\d+)\.(\d+)", answer.output)
    if match is None:
        return Finding("failure", "sbatch does not tell its version.", "Is it Slurm's?")
    version = (int(match[1]), int(match[2]))
    if not OLDEST <= version <= NEWEST:
        told = f"{answer.output.strip()} is outside of the versions whose words are known here: 22.05 to 26.05."
        return Finding("warning", told, "Unknown words of it are shown as they are.")
    return Finding("ok", f"{answer.output.strip()} is installed here.")


def _munge(commands: Commands) -> Finding | None:
    """Whether a credential can be made and read here; None where munge is not installed or not what Slurm uses."""
    configuration = _local_configuration()
    if (re.search(r"(?im)^\s*AuthType\s*=\s*(\S+)", configuration) or ["", "auth/munge"])[1] != "auth/munge":
        return None
    socket = re.search(r"(?im)^\s*AuthInfo\s*=.*?\bsocket=([^,\s]+)", configuration)
    where = [f"--socket={socket[1]}"] if socket else []
    plain = Commands(None, commands.timeout_s)  # not of Slurm's folder
    try:
        made = plain.run("munge", "--no-input", *where)
        read = plain.run("unmunge", "--output=/dev/null", *where, stdin=made.output) if made.ok else made
    except SiteError:
        return None
    if read.ok:
        return Finding("ok", f"munge answers in {(made.took_s + read.took_s) * 1000:.0f} ms.")
    at = f" with the socket {socket[1]}" if socket else ""
    return Finding(
        "failure",
        f"munge does not answer: {read.sentence or f'exit code {read.code}'}.",
        f"Start munged on this machine{at} (`systemctl restart munge`), with the key of the cluster.",
        {"stop": "1"},
    )


def _local_configuration() -> str:
    """slurm.conf of this machine; empty where it cannot be read, as on a cluster without local files."""
    places = (os.environ.get("SLURM_CONF", ""), "/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf")
    for place in places:
        with contextlib.suppress(OSError):
            return Path(place).read_text(errors="replace")
    return ""


def _configuration(commands: Commands) -> dict[str, str]:
    """With the moment of the answer by slurmctld's clock and by ours, as `there` and `here`."""
    began = time.time()
    answer = commands.run("scontrol", "show", "config")
    said = re.match(r"Configuration data as of (\d+)", answer.output)
    found = dict(re.findall(r"(?m)^(\w+)\s*= (.*)$", answer.output))
    return found | ({"there": said[1], "here": str((began + time.time()) / 2)} if said else {})


def _clock(configuration: dict[str, str]) -> Iterator[Finding]:
    if "there" not in configuration:
        return
    skew = abs(float(configuration["there"]) + 0.5 - float(configuration["here"]))  # whole seconds, cut off
    if skew > CLOCK_S:
        yield Finding(
            "warning",
            f"The clocks of this machine and of slurmctld differ by {skew:.0f} s.",
            "Ask the site for NTP; munge refuses whoever is off by minutes.",
        )
    else:
        yield Finding("ok", f"The clock of slurmctld agrees to within {CLOCK_S:.0f} s.")


def _array_limit(settings: Settings, configuration: dict[str, str]) -> Finding:
    limit = int(configuration.get("MaxArraySize", "1001") or 1001)
    if settings.slurm.array_max >= limit:
        return Finding(
            "failure",
            f"slurm.array_max is {settings.slurm.array_max}, and the cluster takes arrays below {limit}.",
            f"Set slurm.array_max = {limit - 1}.",
        )
    return Finding("ok", f"Arrays of up to {settings.slurm.array_max} elements are one job of Slurm.")


def _accounting(commands: Commands, configuration: dict[str, str]) -> Finding:
    if "slurmdbd" not in configuration.get("AccountingStorageType", ""):
        return Finding(
            "warning",
            "The cluster has no slurmdbd: what became of a job is known for MinJobAge "
            f"({configuration.get('MinJobAge', '?')}) after its end, then from its folder only.",
            "Nothing needs to be done; a look within that time tells more about a job that was killed.",
        )
    answer = commands.run("sacctmgr", "--noheader", "--parsable2", "show", "cluster", "format=cluster")
    if not answer.ok:
        return Finding("failure", f"slurmdbd does not answer: {answer.sentence}.", "Ask the site; jobs run without it.")
    return Finding("ok", f"slurmdbd answers in {answer.took_s * 1000:.0f} ms.")
