"""The doctor on `slurm.tiers` and `slurm.devices`: each line of the mapping held against the live cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from qhub_ext.job.identity import new_job_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.settings import Settings, SlurmTierSettings
from qhub_ext.sites.scheduler import Finding
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.listing import parse_duration
from qhub_ext.sites.slurm.options import arguments, ask, limit_min

DEFAULT = "(default)"


def tiers_of(settings: Settings) -> dict[str, SlurmTierSettings]:
    return dict(settings.slurm.tiers) or {DEFAULT: SlurmTierSettings()}


def usual_spec(settings: Settings, tier: str, profile: str) -> JobSpec:
    """A job of this tier that asks for nothing of its own."""
    share = settings.share_of(settings.slurm.tier(tier))
    spec = JobSpec(id=new_job_id(), name="qhub-doctor", tier=tier, device="", created_at=0.0, owner="")
    return replace(spec, profile=profile, **vars(share))


def examine_tiers(commands: Commands, settings: Settings, user: str) -> Iterator[Finding]:
    partitions = _partitions(commands)
    associations = _associations(commands, user)
    reservations = commands.run("scontrol", "--oneliner", "show", "reservation").output
    for name, tier in tiers_of(settings).items():
        at = f"slurm.tiers.{name}"
        partition = tier.partition or next((p for p, f in partitions.items() if f.get("Default") == "YES"), "")
        if partition not in partitions:
            listed = ", ".join(sorted(partitions))
            yield Finding("failure", f"{at}: there is no partition {partition!r}.", f"The cluster has: {listed}.")
            yield from _anywhere(commands, at, tier, {}, associations, user, reservations)
            continue
        fields = partitions[partition]
        if fields.get("State") != "UP":
            yield Finding(
                "warning",
                f"{at}: partition {partition} is {fields.get('State', '?').lower()}.",
                "Jobs wait until it is up again; choose another if that takes long.",
            )
        yield Finding("ok", f"{at}: jobs go to partition {partition}, at most {fields.get('MaxTime')} each.")
        found = [
            *_times(at, settings, name, partition, fields),
            *_constraint(commands, at, tier, partition),
            *_anywhere(commands, at, tier, fields, associations, user, reservations),
        ]
        yield from found
        if fields.get("State") == "UP" and not any(finding.level == "failure" for finding in found):
            yield from _accepted(commands, at, settings, name)


def _anywhere(
    commands: Commands,
    at: str,
    tier: SlurmTierSettings,
    partition: dict[str, str],
    associations: dict[str, set[str]] | None,
    user: str,
    reservations: str,
) -> Iterator[Finding]:
    """What can be said also where the partition, whose fields these are, is not there."""
    if associations is not None:
        yield from _rights(at, tier, partition, associations, user)
    yield from _reservation(at, tier, reservations)
    yield from examine_resources(commands, at, tier.licenses, tier.gres)


def _times(at: str, settings: Settings, name: str, partition: str, fields: dict[str, str]) -> Iterator[Finding]:
    most_s = parse_duration(fields.get("MaxTime", ""))
    if most_s is None:
        return
    tier = settings.slurm.tier(name)
    advice = f"Set {at}.time_max_s = {most_s}."
    if tier.time_max_s is not None and tier.time_max_s > most_s:
        yield Finding(
            "failure",
            f"{at}: time_max_s is {tier.time_max_s} s, and partition {partition} ends jobs after {most_s} s.",
            advice,
        )
        return
    asked_s = limit_min(usual_spec(settings, name, settings.profile), settings.slurm) * 60
    if asked_s > most_s:
        yield Finding(
            "failure",
            f"{at}: a job that names no time asks for {asked_s} s, and partition {partition} ends jobs after {most_s} s.",
            advice,
        )


def _rights(
    at: str, tier: SlurmTierSettings, partition: dict[str, str], associations: dict[str, set[str]], user: str
) -> Iterator[Finding]:
    if not associations:
        yield Finding("failure", f"{at}: {user} has no account on this cluster.", "Ask the site for an association.")
        return
    if tier.account and tier.account not in associations:
        mine = ", ".join(sorted(associations))
        yield Finding("failure", f"{at}: account {tier.account!r} is not yours.", f"Yours: {mine}.")
    allowed = associations.get(tier.account or "") or set().union(*associations.values())
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


def _reservation(at: str, tier: SlurmTierSettings, reservations: str) -> Iterator[Finding]:
    if tier.reservation and f"ReservationName={tier.reservation} " not in reservations:
        yield Finding("failure", f"{at}: there is no reservation {tier.reservation!r}.", "Remove it, or ask the site.")


def _constraint(commands: Commands, at: str, tier: SlurmTierSettings, partition: str) -> Iterator[Finding]:
    if not tier.constraint:
        return
    here = _features(commands, f"--partition={partition}")
    wanted = re.findall(r"[^\s&|,()\[\]*!]+", re.sub(r"\*\d+", "", tier.constraint))
    either = "|" in tier.constraint and not here.isdisjoint(wanted)  # one of them is enough, but Slurm knows all
    known = _features(commands) if either else here
    missing = [name for name in wanted if name not in known]
    if missing:
        yield Finding(
            "failure",
            f"{at}: no node of partition {partition} has the feature {missing[0]!r}.",
            f"They have: {', '.join(sorted(here)) or 'none'}.",
        )
    else:
        yield Finding("ok", f"{at}: partition {partition} has nodes for the constraint {tier.constraint}.")


def _features(commands: Commands, *which: str) -> set[str]:
    told = commands.run("sinfo", "--noheader", *which, "--Format=Features:\x1f").output
    return {name.strip() for name in re.split("[\x1f,\n]", told)} - {"", "(null)"}


def _accepted(commands: Commands, at: str, settings: Settings, name: str) -> Iterator[Finding]:
    """Slurm's own word on a job of each profile that asks for nothing of its own; none is queued."""
    tier = settings.slurm.tier(name)
    for profile in tier.qos or (settings.profile,):
        spec = usual_spec(settings, name, profile)
        words = arguments(spec, ask(spec, settings.slurm))
        answer = commands.run("sbatch", "--test-only", *words, stdin="#!/bin/sh\ntrue\n")
        if not answer.ok:
            memory = f", {spec.memory_mb} MiB" if spec.memory_mb else ""
            yield Finding(
                "failure",
                f"{at}: Slurm would refuse a job of profile {profile} with {spec.cpus} CPUs{memory} and {spec.time_s} s: {answer.sentence}.",
                f"Mend {at} in qhub.toml, or ask the site.",
            )


def examine_devices(commands: Commands, settings: Settings) -> Iterator[Finding]:
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
        yield from examine_resources(commands, at, device.licenses, device.gres)


def examine_resources(commands: Commands, at: str, licenses: str | None, gres: str | None) -> Iterator[Finding]:
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
