"""Each limit that Slurm's accounting knows: a QOS or an account made for it, so narrow that a single job runs into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.diagnosis.corpus.case import Case, waits_for

FREE = "unlimited"
"""A QOS without limits: those of a QOS stand in for those of an association."""


@dataclass(frozen=True)
class Limit:
    """`spec` is what sacctmgr takes."""

    name: str
    spec: str
    account: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"l-{self.name.replace(' ', '-')}"

    @property
    def chosen(self) -> dict[str, str]:
        return {"account": self.key, "qos": FREE} if self.account else {"qos": self.key}


TWO = {"cpus": 2}
LIMITS = (
    Limit("jobs", "grpjobs=0"),
    Limit("CPUs", "grptres=cpu=0"),
    Limit("memory", "grptres=mem=100"),
    Limit("licences", "grptres=license/qpu_cloud=0", options={"site_options": {"licenses": "qpu_cloud:1"}}),
    Limit("QPUs", "grptres=gres/qpu=0", options={"partition": "qpu", "site_options": {"gres": "qpu:fake_kyiv:1"}}),
    Limit("CPU minutes that still run", "grptresrunmins=cpu=2"),
    Limit("CPU minutes", "grptresmins=cpu=0"),
    Limit("time", "grpwall=0"),
    Limit("jobs of a user", "maxjobsperuser=0"),
    Limit("jobs of an account", "maxjobsperaccount=0"),
    Limit("CPUs of a user", "maxtresperuser=cpu=0"),
    Limit("CPUs of an account", "maxtresperaccount=cpu=0"),
    Limit("memory of a user", "maxtresperuser=mem=100"),
    Limit("CPUs of a job", "maxtresperjob=cpu=1", options=TWO),
    Limit("memory of a job", "maxtresperjob=mem=100", options={"memory_mb": 300}),
    Limit("CPU minutes of a job", "maxtresminsperjob=cpu=1"),
    Limit("time of a job", "maxwall=00:02:00", options={"time_s": 1800}),
    Limit("least CPUs of a job", "mintresperjob=cpu=2"),
    Limit("account jobs", "grpjobs=0", account=True),
    Limit("account CPUs", "grptres=cpu=0", account=True),
    Limit("account memory", "grptres=mem=100", account=True),
    Limit("account CPU minutes that still run", "grptresrunmins=cpu=2", account=True),
    Limit("account time", "grpwall=0", account=True),
    Limit("account jobs of a user", "maxjobs=0", account=True),
    Limit("account CPUs of a job", "maxtres=cpu=1", account=True, options=TWO),
    Limit("account CPU minutes of a job", "maxtresmins=cpu=1", account=True),
    Limit("account time of a job", "maxwall=00:02:00", account=True, options={"time_s": 1800}),
)
SUBMITS = (
    Limit("submitted jobs", "maxsubmitjobsperuser=0"),
    Limit("account submitted jobs", "maxsubmitjobs=0", account=True),
)
"""Beyond these nothing is queued."""


def made(limits: tuple[Limit, ...]) -> tuple[str, ...]:
    """What three sacctmgr processes read: the second knows what the first has made."""
    every = [FREE, *(limit.key for limit in limits if not limit.account)]
    accounts = [limit for limit in limits if limit.account]
    names = ",".join(one.key for one in accounts)
    first = [f"add qos {FREE} priority=10"]
    first += [f"add qos {limit.key} priority=10 {limit.spec}" for limit in limits if not limit.account]
    second = [
        f"modify user root where account=qhub set qos+={','.join(every)}",
        f"add account {names} cluster=qhub parent=qhub qos={FREE} defaultqos={FREE} description=x organization=qhub",
    ]
    third = [
        f"add user root cluster=qhub account={one.key} qos={FREE} defaultqos={FREE} {one.spec}" for one in accounts
    ]
    return tuple("\n".join([*lines, "quit", ""]) for lines in (first, second, third))


def unmade(limits: tuple[Limit, ...]) -> tuple[str, ...]:
    """Leaves the cluster as other tests know it."""
    every = [FREE, *(limit.key for limit in limits if not limit.account)]
    accounts = [limit.key for limit in limits if limit.account]
    return (
        "\n".join([f"delete account {','.join(accounts)}", f"modify user root where account=qhub set qos-={','.join(every)}", "quit", ""]),
        "\n".join([f"delete qos {','.join(every)}", "quit", ""]),
    )  # fmt: skip


def _case(limit: Limit, **more: Any) -> Case:
    options = {**limit.options, "site_options": {**limit.options.get("site_options", {}), **limit.chosen}}
    return Case(f"limit: {limit.name}", "queue policy", options=options, held_out=True, **more)


CASES = (
    *(_case(limit, until=waits_for("QOS", "Assoc", "Max")) for limit in LIMITS),
    *(_case(limit) for limit in SUBMITS),
)
