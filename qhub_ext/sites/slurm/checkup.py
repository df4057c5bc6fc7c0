"""What `qhub doctor` says of a Slurm cluster: each setting held against the live cluster, and what to mend."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from qhub_ext.errors import SiteError
from qhub_ext.settings import Settings, SlurmTierSettings
from qhub_ext.sites.scheduler import Finding
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.reasons import explain

OLDEST, NEWEST = (22, 5), (26, 5)
PROBE_S = 30.0
"""A node has so long to run the probe job; a busy cluster takes longer, which is no fault of it."""
SOON = ("", "None", "Priority", "Resources", "BeginTime", "Prolog", "Cleaning", "SchedDefer")
"""With these reasons a job may begin at any moment; nothing is gained by waiting with another."""
CLOCK_S = 5.0


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
    yield from _tiers(commands, settings, user)
    yield from _devices(commands, settings)
    yield from _probe(commands, settings)


def _version(commands: Commands) -> Finding:
    answer = commands.run("sbatch", "--version")
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


def _tiers(commands: Commands, settings: Settings, user: str) -> Iterator[Finding]:
    partitions = _partitions(commands)
    associations = _associations(commands, user)
    reservations = commands.run("scontrol", "--oneliner", "show", "reservation").output
    for name, tier in {**settings.slurm.tiers}.items() or {"(default)": SlurmTierSettings()}.items():
        at = f"slurm.tiers.{name}"
        partition = tier.partition or next((p for p, f in partitions.items() if f.get("Default") == "YES"), "")
        if partition not in partitions:
            listed = ", ".join(sorted(partitions))
            yield Finding("failure", f"{at}: there is no partition {partition!r}.", f"The cluster has: {listed}.")
            continue
        fields = partitions[partition]
        if fields.get("State") != "UP":
            yield Finding(
                "warning",
                f"{at}: partition {partition} is {fields.get('State', '?').lower()}.",
                "Jobs wait until it is up again; choose another if that takes long.",
            )
        yield Finding("ok", f"{at}: jobs go to partition {partition}, at most {fields.get('MaxTime')} each.")
        if associations is not None:
            yield from _rights(at, tier, fields, associations, user)
        if tier.reservation and f"ReservationName={tier.reservation} " not in reservations:
            yield Finding(
                "failure", f"{at}: there is no reservation {tier.reservation!r}.", "Remove it, or ask the site."
            )
        yield from _resources(commands, at, tier.licenses, tier.gres)


def _rights(
    at: str, tier: SlurmTierSettings, partition: dict[str, str], associations: dict[str, set[str]], user: str
) -> Iterator[Finding]:
    if not associations:
        yield Finding("failure", f"{at}: {user} has no account on this cluster.", "Ask the site for an association.")
        return
    if tier.account and tier.account not in associations:
        mine = ", ".join(sorted(associations))
        yield Finding("failure", f"{at}: account {tier.account!r} is not yours.", f"Yours: {mine}.")
        return
    allowed = associations[tier.account] if tier.account else set().union(*associations.values())
    for profile, qos in tier.qos.items():
        if qos not in allowed:
            listed = ", ".join(sorted(allowed)) or "none"
            yield Finding(
                "failure", f"{at}: profile {profile} uses QOS {qos!r}, which is not yours.", f"Yours: {listed}."
            )
        elif partition.get("AllowQos", "ALL") not in ("ALL", "N/A") and qos not in partition["AllowQos"].split(","):
            yield Finding(
                "failure", f"{at}: the partition does not admit QOS {qos!r}.", f"It admits {partition['AllowQos']}."
            )
        else:
            yield Finding("ok", f"{at}: profile {profile} uses QOS {qos}.")


def _devices(commands: Commands, settings: Settings) -> Iterator[Finding]:
    for name, device in settings.slurm.devices.items():
        at = f"slurm.devices.{name}"
        if not (device.licenses or device.gres or device.qpu):
            yield Finding("failure", f"{at} names no resource.", "Give licenses, gres or qpu.")
        if device.qpu:
            if "--qpu" not in commands.run("sbatch", "--help").output:
                yield Finding(
                    "failure", f"{at}: sbatch has no option --qpu here.", "Install the SPANK plugin, or use licenses."
                )
            else:
                yield Finding("ok", f"{at}: sbatch takes --qpu={device.qpu}.")
        yield from _resources(commands, at, device.licenses, device.gres)


def _resources(commands: Commands, at: str, licenses: str | None, gres: str | None) -> Iterator[Finding]:
    if licenses:
        known = dict(
            re.findall(r"LicenseName=(\S+) Total=(\d+)", commands.run("scontrol", "-o", "show", "licenses").output)
        )
        for wanted in licenses.split(","):
            name, _, count = wanted.partition(":")
            if name not in known:
                listed = ", ".join(sorted(known)) or "none"
                yield Finding("failure", f"{at}: there is no licence {name!r}.", f"The cluster has: {listed}.")
            elif int(count or 1) > int(known[name]):
                yield Finding(
                    "failure",
                    f"{at}: a job asks for {count} of licence {name}; there are {known[name]}.",
                    f"Ask for at most {known[name]}.",
                )
            else:
                yield Finding("ok", f"{at}: licence {name}, {known[name]} in all.")
    if gres:
        offered = commands.run("sinfo", "--noheader", "--Format=Gres:\x1f").output
        for wanted in gres.split(","):
            name = ":".join(part for part in wanted.split(":") if not part.isdigit())
            if name not in offered:
                listed = ", ".join(
                    sorted({g.strip() for g in offered.split("\x1f") if g.strip() not in ("", "(null)")})
                )
                yield Finding(
                    "failure", f"{at}: no node has the generic resource {name!r}.", f"Nodes have: {listed or 'none'}."
                )
            else:
                yield Finding("ok", f"{at}: generic resource {name} exists.")


def _partitions(commands: Commands) -> dict[str, dict[str, str]]:
    answer = commands.run("scontrol", "--oneliner", "show", "partition")
    found = (dict(re.findall(r"(\w+)=(\S+)", line)) for line in answer.output.splitlines())
    return {fields["PartitionName"]: fields for fields in found if "PartitionName" in fields}


def _associations(commands: Commands, user: str) -> dict[str, set[str]] | None:
    """Account -> QOS that it may use; None where there is no accounting to ask."""
    answer = commands.run(
        *("sacctmgr", "--noheader", "--parsable2", "show", "association", f"user={user}", "format=account,qos")
    )
    if not answer.ok:
        return None
    found: dict[str, set[str]] = {}
    for line in answer.output.splitlines():
        account, _, qos = line.partition("|")
        found.setdefault(account, set()).update(q for q in qos.split(",") if q)
    return found


def _probe(commands: Commands, settings: Settings) -> Iterator[Finding]:
    """A job of a second, which looks for the shelf, Python and the packages from a node, and reads its clock."""
    shelf = Path(settings.shelf).expanduser()
    folder = shelf / f".probe-{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        yield Finding("failure", f"{shelf} cannot be written to: {error.strerror}.", "Set `shelf` in qhub.toml.")
        return
    try:
        yield from _run_probe(commands, settings, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_probe(commands: Commands, settings: Settings, folder: Path) -> Iterator[Finding]:
    python = shlex.quote(sys.executable)
    prologue = "\n".join(settings.slurm.prologue)
    launcher = " ".join(map(shlex.quote, settings.slurm.launcher))
    script = f"""#!/bin/bash
cd -- {shlex.quote(str(folder))} || exit 72
printf 'node %s\\n' "$SLURMD_NODENAME" > .answer
{prologue}
printf 'clock %s\\n' "$EPOCHREALTIME" >> .answer
{launcher} {python} -c 'import qhub_ext, ipykernel, qiskit; print("packages", qiskit.__version__)' >> .answer 2>&1
mv .answer answer
"""
    tier = next(iter(settings.slurm.tiers.values()), SlurmTierSettings())
    partition = [f"--partition={tier.partition}"] if tier.partition else []
    sent = commands.run(
        *("sbatch", "--parsable", "--job-name=qhub-probe", "--time=1", "--output=/dev/null", "--chdir=/", *partition),
        stdin=script,
    )
    if not sent.ok:
        yield Finding("failure", f"A probe job was refused: {sent.sentence}.", "Mend what is named above first.")
        return
    key = sent.output.strip().partition(";")[0]
    until = time.monotonic() + PROBE_S
    answer, state, reason = folder / "answer", "", ""
    while time.monotonic() < until and state not in ("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL"):
        told = commands.run(
            "squeue", "--noheader", "--states=all", f"--jobs={key},{key}", "--Format=State:\x1f,Reason:\x1f"
        ).output
        state, _, reason = told.partition("\x1f")
        state, reason = state.strip(), reason.strip("\x1f\n ")
        if state == "PENDING" and reason not in SOON:
            break
        time.sleep(0.2)
    os.listdir(folder)  # shows new files on network file systems
    if not answer.exists():
        if state in ("PENDING", "CONFIGURING", "RUNNING"):
            commands.run("scancel", key)
            took = f"{time.monotonic() - until + PROBE_S:.0f} s"
            why = explain(reason)
            yield Finding(
                "warning",
                f"The probe job still waited after {took}: {why.sentence} The nodes were not looked at."
                if state == "PENDING"
                else f"The probe job was not done after {took}; the nodes were not looked at.",
                why.advice
                if state == "PENDING" and reason not in SOON
                else "Ask again when the partition is less busy.",
            )
        elif (folder / ".answer").exists():
            began = (folder / ".answer").read_text(errors="replace").strip()
            yield Finding(
                "failure",
                f"{began.capitalize()} sees the shelf, and the prologue ended the probe job there.",
                "Mend slurm.prologue in qhub.toml: its lines run in the job's own shell.",
            )
        else:
            yield Finding(
                "failure",
                f"A node ran the probe job ({state.lower() or 'unknown state'}) and does not see {folder.parent}.",
                "Set `shelf` to a folder on storage that all nodes mount at the same path.",
            )
        return
    text = answer.read_text(errors="replace")
    node = (re.search(r"node (\S+)", text) or ["", "?"])[1]
    yield Finding("ok", f"Node {node} sees the shelf {folder.parent}.")
    skew = abs(answer.stat().st_mtime - float((re.search(r"clock ([\d.]+)", text) or ["", "0"])[1]))
    if skew > CLOCK_S:
        yield Finding(
            "warning", f"The clocks of node {node} and the file system differ by {skew:.0f} s.", "Ask the site for NTP."
        )
    if "packages" in text:
        yield Finding("ok", f"Node {node} runs {sys.executable} with qhub_ext and qiskit.")
    else:
        last = text.strip().splitlines()[-1:] or [""]
        yield Finding(
            "failure",
            f"Node {node} cannot run {sys.executable}: {last[0][:200]}",
            "Use an environment that the nodes see, or set slurm.prologue or slurm.launcher.",
        )
