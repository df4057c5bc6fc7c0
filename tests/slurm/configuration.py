"""The files of the cluster: slurm.conf and its company, the accounts, and the hooks that faults are made with."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from qhub_ext.sites.slurm import prologue

DATABASE = "slurm_acct_db"
CGROUPS = Path("/sys/fs/cgroup")

# name -> (CPUs, GRES, features, partition)
NODES = {
    "emu01": (2, "", "emulation", "emulation"),
    "emu02": (2, "", "emulation", "emulation"),
    "one01": (1, "", "narrow", "narrow"),
    "two01": (2, "", "wide", "wide"),
    "qpu01": (4, "qpu:fake_kyiv:1", "qpu", "qpu"),
}
MEMORY_MB = 4000

QOS = {
    "development": "priority=10 maxwall=02:00:00 maxjobsperuser=400 maxsubmitjobsperuser=6000 preemptmode=requeue",
    "test": "priority=100 maxwall=02:00:00 maxjobsperuser=8 preemptmode=cancel",
    "production": "priority=1000 maxwall=04:00:00 preempt=development,test",
    # so small that a test can run into each of its limits
    "tiny": "priority=10 maxwall=00:05:00 maxjobsperuser=1 maxsubmitjobsperuser=5 maxtresperuser=cpu=2 maxtresperjob=cpu=1",
}
ACCOUNTS = (("qhub", "root", 1), ("physics", "qhub", 3), ("chemistry", "qhub", 1))  # name, parent, fair share
PEOPLE = (  # user, accounts, administrator level
    ("qhub-alice", "physics,chemistry", ""),
    ("qhub-bob", "chemistry", ""),
    ("qhub-operator", "qhub", "Operator"),
    ("root", "qhub", ""),
)


@dataclass(frozen=True)
class Configuration:
    """`port` is the first of forty on loopback."""

    root: Path
    port: int
    min_job_age_s: int = 300
    slurmd_timeout_s: int = 12
    kill_wait_s: int = 3
    """Between the TERM and the KILL."""
    enforce: str = "ALL"
    """Whether what the partition can never run is refused (ALL) or waits for ever (NO)."""
    database: bool = True
    """Without: no slurmdbd, so no accounts, no QOS, and nothing that sacct could tell."""
    private: tuple[str, ...] = ()
    """What users see of their own only (PrivateData)."""

    @property
    def daemons(self) -> tuple[str, ...]:
        """In the order in which they start."""
        return ("munged", *(("mariadbd", "slurmdbd") if self.database else ()), "slurmctld", *NODES)

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def munge_socket(self) -> Path:
        return self.root / "munge-run" / "munge.sock"

    @property
    def database_socket(self) -> Path:
        return self.root / "mysql" / "mysql.sock"

    @property
    def fail_prolog(self) -> Path:
        """While this file exists, Prolog fails on every node."""
        return self.root / "hooks" / "fail-prolog"

    @property
    def qrmi_config(self) -> Path:
        """While this file exists, jobs are told of the quantum resources that they hold."""
        return self.etc / "qrmi_config.json"

    @property
    def qpu_names(self) -> Path:
        """Which licences and generic resources stand for which of them."""
        return self.etc / "qhub-qpus.json"

    def ports(self) -> dict[str, int]:
        return {
            "slurmctld": self.port,
            "slurmdbd": self.port + 1,
            **{node: self.port + 10 + n for n, node in enumerate(NODES)},
        }

    def environment(self) -> dict[str, str]:
        """A bare one: nothing of the caller's reaches daemons, hooks or jobs."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": "/",
            "SLURM_CONF": str(self.etc / "slurm.conf"),
            "MYSQL_UNIX_PORT": str(self.database_socket),  # slurmdbd has no setting for it
        }

    def write(self) -> None:
        for name, mode, owner in (
            ("", 0o755, "root"),
            ("etc", 0o755, "root"),
            ("run", 0o755, "root"),
            ("log", 0o755, "slurm"),
            ("spool", 0o755, "root"),
            ("spool/ctld", 0o750, "slurm"),
            ("munge", 0o700, "munge"),
            ("munge-run", 0o755, "munge"),
            ("mysql", 0o700, "slurm"),
            ("hooks", 0o755, "root"),
            *((f"spool/{node}", 0o755, "root") for node in NODES),
        ):
            folder = self.root / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.chown(folder, owner, owner)
            folder.chmod(mode)
        key = self.etc / "munge.key"
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(os.urandom(128))
            shutil.chown(key, "munge", "munge")
        put(self.etc / "slurm.conf", self._slurm_conf())
        put(self.etc / "slurmdbd.conf", self._slurmdbd_conf(), 0o600, "slurm")
        put(
            self.etc / "gres.conf",
            "".join(
                f"NodeName={node} Name=qpu Type={gres.split(':')[1]} Count=1 Flags=CountOnly\n"
                for node, (_, gres, _, _) in NODES.items()
                if gres
            ),
        )
        put(
            self.etc / "cgroup.conf",
            "CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n",
        )
        self._write_hooks()
        put(
            self.root / "cluster.json",
            json.dumps({name: value for name, value in asdict(self).items() if name != "root"}),
        )

    def write_confined(self) -> Path:
        """Another slurm.conf, for a node that holds each job to its memory. The others do without: the tests' jobs ask for less than they need."""
        folder = self.root / "etc-confined"
        folder.mkdir(exist_ok=True)
        text = self._slurm_conf()
        for usual, confined in (
            ("ProctrackType=proctrack/pgid", "ProctrackType=proctrack/cgroup"),
            ("TaskPlugin=task/none", "TaskPlugin=task/cgroup"),
            ("JobAcctGatherParams=OverMemoryKill,UsePss", "JobAcctGatherParams=UsePss"),  # the kernel is to do it
        ):
            assert usual in text
            text = text.replace(usual, confined)
        put(folder / "slurm.conf", text)
        put(folder / "gres.conf", (self.etc / "gres.conf").read_text())
        put(
            folder / "cgroup.conf",
            f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={CGROUPS}\nCgroupAutomount=no\nConstrainRAMSpace=yes\nAllowedRAMSpace=100\n",
        )
        return folder / "slurm.conf"

    def _write_hooks(self) -> None:
        """The prologue of the package as an operator installs it, for as long as there is a file of resources."""
        hooks = self.root / "hooks"
        own = hooks / "qhub-qpu-prologue"
        shutil.copy(prologue.__file__, own)
        own.chmod(0o755)
        state = self.root / "run" / "qpu"
        words = f"exec {own} --config {self.qrmi_config} --names {self.qpu_names} --state {state} --acquire {sys.executable}\n"
        only_then = f"[ -e {self.qrmi_config} ] || exit 0\n"
        put(hooks / "prolog", f"#!/bin/sh\n[ ! -e {self.fail_prolog} ] || exit 1\n{only_then}{words}", 0o755)
        put(hooks / "task-prolog", f"#!/bin/sh\n{only_then}{words}", 0o755)
        put(hooks / "epilog", f"#!/bin/sh\n[ -e {state} ] || exit 0\n{words}", 0o755)

    def _slurm_conf(self) -> str:
        ports = self.ports()
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]} CPUs={cpus} "
            f"RealMemory={MEMORY_MB} Feature={feature}{f' Gres={gres}' if gres else ''} State=UNKNOWN"
            for node, (cpus, gres, feature, _) in NODES.items()
        )
        members: dict[str, list[str]] = {}
        for node, (_, _, _, partition) in NODES.items():
            members.setdefault(partition, []).append(node)
        partitions = "\n".join(
            f"PartitionName={name} Nodes={','.join(some)} Default={'YES' if name == 'emulation' else 'NO'} "
            f"MaxTime={60 if name != 'qpu' else 30} DefaultTime=5 State=UP"
            for name, some in members.items()
        )
        accounting = f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports["slurmdbd"]}
AccountingStoragePass={self.munge_socket}
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/qpu,license/qpu_cloud
AccountingStoreFlags=job_comment
PriorityType=priority/multifactor
PriorityWeightQOS=100000
PriorityWeightFairshare=10000
PriorityWeightAge=1000
PriorityCalcPeriod=1
PriorityDecayHalfLife=7-0
PreemptType=preempt/qos
PreemptMode=REQUEUE
"""
        if not self.database:
            accounting = "AccountingStorageType=accounting_storage/none\nPriorityType=priority/basic\n"
        return f"""ClusterName=qhub
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports["slurmctld"]}
SrunPortRange={self.port + 20}-{self.port + 39}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.munge_socket},cred_expire=5
CredType=cred/munge
# no cgroups: the machine's hierarchy is not ours
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill,UsePss
PropagateResourceLimits=NONE
MpiDefault=none
SwitchType=switch/none
StateSaveLocation={self.root}/spool/ctld
SlurmdSpoolDir={self.root}/spool/%n
SlurmctldPidFile={self.root}/run/slurmctld.pid
SlurmdPidFile={self.root}/run/slurmd.%n.pid
SlurmctldDebug=info
SlurmdDebug=info
SlurmdParameters=config_overrides
LogTimeFormat=iso8601_ms
SlurmctldLogFile={self.logs}/slurmctld.log
SlurmdLogFile={self.logs}/slurmd.%n.log
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=2,bf_interval=2,bf_continue,bf_window=1440,bf_resolution=30,bf_max_job_test=500,bf_licenses
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=200
GresTypes=qpu
Licenses=qpu_cloud:2,aer_gpu:1
{accounting}JobCompType=jobcomp/none
JobRequeue=1
MinJobAge={self.min_job_age_s}
MaxJobCount=20000
MaxArraySize=10001
KillWait={self.kill_wait_s}
SlurmctldTimeout=10
SlurmdTimeout={self.slurmd_timeout_s}
BatchStartTimeout=20
MessageTimeout=5
CompleteWait=0
PrivateData={",".join(self.private) or "none"}
EnforcePartLimits={self.enforce}
ReturnToService=2
UnkillableStepTimeout=30
Prolog={self.root}/hooks/prolog
TaskProlog={self.root}/hooks/task-prolog
Epilog={self.root}/hooks/epilog
PrologFlags=Alloc
PrologEpilogTimeout=120

{nodes}
{partitions}
"""

    def _slurmdbd_conf(self) -> str:
        return f"""AuthType=auth/munge
AuthInfo=socket={self.munge_socket}
DbdHost={socket.gethostname().split(".")[0]}
DbdAddr=127.0.0.1
DbdPort={self.ports()["slurmdbd"]}
SlurmUser=slurm
DebugLevel=info
PidFile={self.root}/run/slurmdbd.pid
LogFile={self.logs}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc={DATABASE}
CommitDelay=0
CommunicationParameters=NoInAddrAny
"""


def account_commands() -> tuple[str, str]:
    """For two sacctmgr processes: one reads the list of QOS once and refuses those that it has made itself."""
    every = ",".join(QOS)
    first = ["add cluster qhub", *(f"add qos {name} {spec}" for name, spec in QOS.items())]
    second = [
        *(
            f"add account {name} cluster=qhub parent={parent} fairshare={share} qos={every} "
            f"defaultqos=development description={name} organization=qhub"
            for name, parent, share in ACCOUNTS
        ),
        *(
            f"add user {user} cluster=qhub account={accounts} defaultaccount={accounts.split(',')[0]} qos={every} "
            f"defaultqos=development{f' adminlevel={level}' if level else ''}"
            for user, accounts, level in PEOPLE
        ),
    ]
    return "\n".join([*first, "quit", ""]), "\n".join([*second, "quit", ""])


def put(path: Path, text: str, mode: int = 0o644, owner: str = "root") -> None:
    path.write_text(text)
    path.chmod(mode)
    shutil.chown(path, owner, owner)
