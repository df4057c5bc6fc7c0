#!/usr/bin/python3 -I
"""Prolog, TaskProlog and Epilog of Slurm for jobs that hold a quantum resource: the job is told what QRMI's SPANK plugin would tell it.

    Prolog      as root: what the job holds (licences, generic resources) -> the resources of qrmi_config.json, into a file of the job's user
    TaskProlog  as the user: that file becomes the environment of the job's script and of its steps
    Epilog      as root: the file goes

One file for the three, which Slurm tells apart by SLURM_SCRIPT_CONTEXT. It is copied to the nodes (docs/operators.md), so it imports nothing of
this package, and runs on any Python from 3.7 on. It never fails, for a Prolog that fails drains its node: what is wrong is told to the job, in
QRMI_JOB_QPU_TROUBLE.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

CONFIG = "/etc/slurm/qrmi_config.json"
NAMES = "/etc/slurm/qhub-qpus.json"
STATE = "/run/qhub-qpu"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/slurm/bin"
DEADLINE_S = 30.0
"""Of each question; Slurm itself ends a Prolog after PrologEpilogTimeout."""
MOST_S = 2**32 - 1
"""What the SPANK plugin says of a job without a time limit."""
FIELDS = ("Licenses", "tres-per-job", "tres-per-node", "tres-per-socket", "tres-per-task", "TimeLimit")
SEPARATOR = "\x1f"


class Held(NamedTuple):
    """`licences` by name, `gres` by name or NAME:TYPE; `limit_s` is the job's time limit in s."""

    licences: list[str]
    gres: list[str]
    limit_s: int


class Trouble(Exception):
    """What the job is told."""


def parse_held(line: str) -> Held:
    """The fields of one squeue line. Nothing that a user may write freely, such as a job's name, is among them."""
    values = [value.strip() for value in line.rstrip("\n").split(SEPARATOR)]
    if len(values) < len(FIELDS):
        raise Trouble("squeue does not tell what the job holds.")
    if "|" in values[0]:
        raise Trouble("the job asks for one licence or another, and which of them it has is not told.")
    licences = [word for word in re.split("[,;]", values[0]) if word and word not in ("(null)", "N/A")]
    gres = []
    for told in values[1:5]:
        for word in told.split(","):
            match = _GRES.match(word.strip())
            if match:
                gres.append(match["name"] + (":" + match["type"] if match["type"] else ""))
    return Held([re.split(r"[:@=]", word)[0] for word in licences], gres, parse_limit(values[5]))


# gres:qpu:kingston:1, gres/qpu:kingston=1, gres/qpu=1
_GRES = re.compile(r"gres[:/](?P<name>[^:=/]+)(?::(?P<type>[^:=]+?))??(?:[:=]\d+)?$")


def parse_limit(text: str) -> int:
    """`1-02:03:04`, `2:03:04`, `5:00`, in s; everything else is without limit."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in parts) or (days and not days.isdecimal()):
        return MOST_S
    seconds = 0
    for part in ["0"] * (3 - len(parts)) + parts:
        seconds = seconds * 60 + int(part)
    return seconds + 86400 * int(days or 0)


def ask_slurm(job: str) -> Held:
    words = ["squeue", "--noheader", "--states=all", "--jobs=" + job, "--Format=" + ",".join(f + ":" + SEPARATOR for f in FIELDS)]  # fmt: skip
    try:
        done = subprocess.run(words, capture_output=True, timeout=DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble("squeue cannot be asked what the job holds: " + str(error)) from None
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.returncode or not lines:
        why = " ".join(done.stderr.decode(errors="replace").split()) or "it says nothing"
        raise Trouble("squeue does not tell what the job holds: " + why)
    return parse_held(lines[0])


def read_names(path: str) -> dict[str, dict[str, list[str]]]:
    """{"licenses": {LICENCE: [RESOURCE, ...]}, "gres": {NAME:TYPE or NAME: [RESOURCE, ...]}}; without the file, names are those of the resources."""
    try:
        with open(path) as file:
            record = json.load(file)
        listed = {kind: dict(record.get(kind) or {}) for kind in ("licenses", "gres")}
        return {
            kind: {
                word: [meant] if isinstance(meant, str) else [str(name) for name in meant]
                for word, meant in some.items()
            }
            for kind, some in listed.items()
        }
    except FileNotFoundError:
        return {"licenses": {}, "gres": {}}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Trouble(path + " cannot be read: " + str(error)) from None


def read_resources(path: str) -> dict[str, dict[str, Any]]:
    """Name -> type and environment, of the file that the SPANK plugin reads."""
    try:
        with open(path) as file:
            record = json.load(file)
        return {str(one["name"]): {"type": str(one["type"]), "environment": {str(k): str(v) for k, v in (one.get("environment") or {}).items()}} for one in record["resources"]}  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Trouble(path + " cannot be read: " + type(error).__name__ + ": " + str(error)) from None


def wanted(held: Held, names: dict[str, dict[str, list[str]]], known: Iterable[str]) -> list[str]:
    """The resources that the job holds. A licence or generic resource without an entry stands for the resource of its own name, if there is one:
    most of a cluster's are no QPUs.
    """
    found: dict[str, None] = {}
    known = set(known)
    for kind, words in (("licenses", held.licences), ("gres", held.gres)):
        for word in words:
            meant = names[kind].get(word, names[kind].get(word.split(":")[0]))
            found.update(dict.fromkeys(meant or ()))
            own = word.split(":")[-1]
            if meant is None and own in known:
                found[own] = None
    return list(found)


def variables(job: str, uid: str, held: Held, resources: dict[str, dict[str, Any]]) -> dict[str, str]:
    """As the SPANK plugin of QRMI sets them."""
    both = {"RESOURCES": ",".join(resources), "TYPES": ",".join(one["type"] for one in resources.values())}
    told = {"QRMI_JOB_ID": job, "QRMI_JOB_UID": uid}
    for prefix in ("QRMI_JOB_QPU_", "SLURM_JOB_QPU_"):
        told.update({prefix + key: value for key, value in both.items()})
    for name, one in resources.items():
        told.update({name + "_" + key: value for key, value in one["environment"].items()})
        told[name + "_QRMI_JOB_TIMEOUT_SECONDS"] = str(held.limit_s)
        if one.get("token"):
            told[name + "_QRMI_JOB_ACQUISITION_TOKEN"] = one["token"]
    for key, value in told.items():
        if "\n" in value or "\0" in value:
            raise Trouble("the value of " + key + " has a line break.")
    return told


def hold(python: str, calls: list[dict[str, Any]]) -> Any:
    """The value of the last of these calls of the helper process of qhub_ext, to which the credentials go by its standard input."""
    text = "".join(json.dumps(dict(call, id=number)) + "\n" for number, call in enumerate(calls))
    words = [python, "-I", "-m", "qhub_ext.tiers.qpu.helper"]
    try:
        done = subprocess.run(words, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=DEADLINE_S, check=False)  # fmt: skip
        answers = [json.loads(line) for line in done.stdout.splitlines()]
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise Trouble(type(error).__name__) from None
    for answer in answers:
        if "error" in answer:
            raise Trouble(str(answer["error"]["message"]))
    if len(answers) < len(calls):
        raise Trouble("it did not answer")
    return answers[-1].get("value")


def opening(name: str, one: dict[str, Any]) -> dict[str, Any]:
    return {"call": "open", "resource": name, "type": one["type"], "config": one["environment"]}


def acquired(python: str, resources: dict[str, dict[str, Any]], told: list[str]) -> dict[str, dict[str, Any]]:
    """Those that are the job's now, each with its token; `told` is given a sentence for each of the others."""
    found = {}
    for name, one in resources.items():
        try:
            token = hold(python, [opening(name, one), {"call": "acquire"}])
            found[name] = dict(one, token=str(token))
        except Trouble as error:
            told.append(f"{name} cannot be acquired: {error}")
    return found


def prepare(job: str, uid: str, asked: argparse.Namespace) -> None:
    """As root, before the job. A job that holds no quantum resource leaves nothing."""
    remove(os.path.join(asked.state, job))
    troubles: list[str] = []
    held: dict[str, dict[str, Any]] = {}
    told: dict[str, str] = {}
    try:
        known, names, has = read_resources(asked.config), read_names(asked.names), ask_slurm(job)
        meant = wanted(has, names, known)
        if not meant:
            return
        troubles += [f"{asked.config} does not have {name}." for name in meant if name not in known]
        held = {name: known[name] for name in meant if name in known}
        if asked.acquire:
            held = acquired(asked.acquire, held, troubles)
        told = variables(job, uid, has, held)
    except Trouble as error:
        troubles.append(str(error))
    if troubles:
        told["QRMI_JOB_QPU_TROUBLE"] = " ".join(" ".join(troubles).split())
    os.makedirs(asked.state, mode=0o711, exist_ok=True)
    if asked.acquire and held:
        write(os.path.join(asked.state, job + ".held"), held, os.geteuid())
    write(os.path.join(asked.state, job), told, int(uid))


def write(path: str, record: Any, uid: int) -> None:
    """For one user's eyes alone, from its first byte on."""
    remove(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with os.fdopen(fd, "w") as file:
        json.dump(record, file)
        file.flush()
        os.fchown(fd, uid, -1)


def tell(job: str, asked: argparse.Namespace) -> list[str]:
    """As the user, before the job's script and each task of its steps. What the user set for a resource is kept, as the SPANK plugin does."""
    try:
        with open(os.path.join(asked.state, job)) as file:
            told = json.load(file)
    except (OSError, ValueError):
        return []
    return [
        "export " + name + "=" + value for name, value in told.items() if name.startswith(("QRMI_", "SLURM_")) or name not in os.environ
    ]  # fmt: skip


def give_back(job: str, asked: argparse.Namespace) -> None:
    """As root, after the job."""
    held = os.path.join(asked.state, job + ".held")
    try:
        with open(held) as file:
            resources = json.load(file)
    except (OSError, ValueError):
        resources = {}
    for name, one in resources.items():
        try:
            hold(asked.acquire, [opening(name, one), {"call": "release", "arguments": [one.get("token", "")]}])
        except Trouble as error:  # it ends by itself at the service; the operator reads this in slurmd's log
            print(f"qhub-qpu: {name} was not given back: {error}", file=sys.stderr)
    remove(held)
    remove(os.path.join(asked.state, job))


def remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def read_arguments(words: list[str]) -> tuple[str, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description="Prolog, TaskProlog and Epilog of Slurm for jobs with a quantum resource."
    )
    parser.add_argument("--config", default=CONFIG, help="the resources, as the SPANK plugin reads them (%(default)s)")
    parser.add_argument("--names", default=NAMES, help="licences and generic resources -> resources (%(default)s)")
    parser.add_argument("--state", default=STATE, help="folder of a file per job, on the node's own disk (%(default)s)")
    parser.add_argument(
        "--acquire",
        default="",
        help="a Python with qhub_ext and qrmi: resources are acquired before the job and released after it",
    )
    return os.environ.get("SLURM_SCRIPT_CONTEXT", ""), parser.parse_args(words)


def main() -> None:
    os.environ.setdefault("PATH", PATH)
    context, asked = read_arguments(sys.argv[1:])
    job, uid = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_JOB_UID", "")
    if not job.isdigit():
        return
    try:
        if context == "prolog_slurmd" and uid.isdigit() and os.path.exists(asked.config):
            prepare(job, uid, asked)
        elif context == "prolog_task":
            for line in tell(job, asked):
                print(line)
        elif context == "epilog_slurmd":
            give_back(job, asked)
    except Exception as error:  # noqa: BLE001 - whatever it is: a Prolog that fails drains the node, and with it everybody's jobs
        print(f"qhub-qpu: {context}: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
