"""The cluster: up, down, and the faults that tests make."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.slurm import packages
from tests.slurm.configuration import CGROUPS, DATABASE, NODES, PEOPLE, Configuration, account_commands
from tests.slurm.daemons import Daemons, kill_steps
from tests.slurm.packages import Unavailable

MARIADB = [
    "--no-defaults",
    "--skip-networking",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--innodb-lock-wait-timeout=900",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--sync-binlog=0",
    "--performance-schema=OFF",
    "--key-buffer-size=8M",
    "--max-connections=50",
]

PATIENCE_S = 120.0
"""For a daemon, a node or a command on a busy machine: a cluster that does not come is one whose tests are left out."""


class Cluster:
    def __init__(self, root: Path, **wanted: Any) -> None:
        """One that is up already keeps the configuration that it has."""
        try:
            saved = json.loads((root / "cluster.json").read_text())
        except (OSError, ValueError):
            saved = {"port": free_ports(40), **wanted}
        self.configuration = Configuration(root, **saved)
        self.daemons = Daemons(root / "run")
        self.environment = self.configuration.environment()

    @property
    def root(self) -> Path:
        return self.configuration.root

    # ------------------------------------------------------------------ up and down

    def up(self) -> None:
        """Starts what does not run yet and waits for idle nodes. Raises Unavailable."""
        if os.geteuid() != 0:
            raise Unavailable("A cluster needs root: slurmd starts jobs as other users.")
        packages.install()
        self.configuration.write()
        for name in self.configuration.daemons:
            self.start(name)
            if name == "slurmdbd":
                self._add_accounts()
        self._resume(self.node_states())
        wait_for("idle nodes", self.idle, PATIENCE_S)

    def down(self) -> None:
        """Ends everything that was started from this folder, and removes the folder."""
        for name in ("slurmctld", *NODES):
            self.daemons.send(name, signal.SIGCONT)
            self.daemons.send(name, signal.SIGKILL)
        for name in (*NODES, "slurmctld"):
            self.daemons.stop(name, signal.SIGKILL)
        kill_steps({str(self._log_of(node)) for node in NODES})
        self.daemons.stop("slurmdbd", signal.SIGKILL)
        for name in ("mariadbd", "munged", *self.daemons.names()):
            self.daemons.stop(name, signal.SIGKILL)  # nothing of it is kept
        shutil.rmtree(self.root, ignore_errors=True)

    def start(self, name: str) -> None:
        c, env = self.configuration, self.environment
        if name == "munged":
            self._start_munge()
        elif name == "mariadbd":
            self._start_database()
        elif name == "slurmdbd":
            self.daemons.start(name, ["/usr/sbin/slurmdbd", "-D"], c.logs / "slurmdbd.out", env)
            wait_for(name, lambda: self._listens(name), PATIENCE_S, self._alive(name))
        elif name == "slurmctld":
            self.daemons.start(name, ["/usr/sbin/slurmctld", "-D", "-i"], c.logs / "slurmctld.out", env)
            wait_for(name, lambda: "is UP" in self.ask("scontrol", "ping"), PATIENCE_S, self._alive(name))
        else:
            command = ["/usr/sbin/slurmd", "-D", "-N", name]
            self.daemons.start(name, command, c.logs / f"slurmd.{name}.out", env, reaped=True)

    def stop(self, name: str) -> None:
        self.daemons.stop(name)

    def kill(self, name: str) -> None:
        self.daemons.stop(name, signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """It keeps its sockets and answers nobody, as on a machine that swaps."""
        self.daemons.send(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.daemons.send(name, signal.SIGCONT)

    def fail_node(self, node: str) -> None:
        """As if the power went: slurmd, its steps and their tasks at once."""
        self.daemons.stop(node, signal.SIGKILL)
        kill_steps({str(self._log_of(node))})

    def mend(self) -> None:
        """Starts whatever a test took down, and brings every node back."""
        self.configuration.fail_prolog.unlink(missing_ok=True)
        for name in self.configuration.daemons:
            if self.daemons.pid(name) is None or self.daemons.stopped(name):
                self.thaw(name)
                self.start(name)
        wait_for("nodes that are up", self.usable, PATIENCE_S)

    def rest(self) -> None:
        """Until nothing runs or is on its way to a node, and every node would take a job at once. A launch that arrives late, on a disk that the
        next test has filled, would drain the node."""
        wait_for("an empty queue", lambda: not self.ask("squeue", "-h", "-o", "%i").strip(), PATIENCE_S)
        wait_for("idle nodes", lambda: self.usable() and self.idle(), PATIENCE_S)

    @contextmanager
    def confined(self, node: str) -> Iterator[None]:
        """The node holds each job to its memory for a while. Raises Unavailable where the kernel has no cgroups for it."""
        missing = [name for name in ("memory", "freezer") if not os.access(CGROUPS / name / "tasks", os.W_OK)]
        if missing:
            raise Unavailable(f"There is no cgroup (version 1) of {missing[0]} here.")
        other = self.configuration.write_confined()
        self.stop(node)
        command = ["/usr/sbin/slurmd", "-D", "-N", node, "-f", str(other)]
        log = self.configuration.logs / f"slurmd.{node}.out"
        self.daemons.start(node, command, log, self.environment | {"SLURM_CONF": str(other)}, reaped=True)
        try:
            wait_for(f"{node}, confined", lambda: self.node_states().get(node) == "idle", PATIENCE_S, self._alive(node))
            yield
        finally:
            self.stop(node)
            self.start(node)
            for name in ("memory", "freezer"):
                remove_groups(CGROUPS / name / f"slurm_{node}")

    @contextmanager
    def configured(self, **changes: Any) -> Iterator[None]:
        """Another slurm.conf for a while."""
        before = self.configuration
        try:
            self._configure(replace(before, **changes))
            yield
        finally:
            self._configure(before)

    def _configure(self, configuration: Configuration) -> None:
        """The nodes read it on their own a moment later, and say something about it in their logs. A launch that meets a node just then may be
        lost, and Slurm puts such a job back for two minutes."""
        self.configuration = configuration
        configuration.write()
        running = [node for node in NODES if self.daemons.pid(node) is not None and not self.daemons.stopped(node)]
        before = {node: self._said_by(node) for node in running}
        self.ask("scontrol", "reconfigure")
        with contextlib.suppress(Unavailable):  # of a Slurm whose nodes have nothing to say
            wait_for("the nodes", lambda: all(self._said_by(n) > before[n] for n in running), 2.0)

    def _said_by(self, node: str) -> int:
        log = self.configuration.logs / f"slurmd.{node}.log"
        return log.stat().st_size if log.exists() else 0

    # ------------------------------------------------------------------ asking

    def ask(self, *command: str, user: str | None = None) -> str:
        """The answer of a command, whatever its exit code."""
        return self.run(*command, user=user).stdout

    def run(self, *command: str, user: str | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        who = {}
        if user:
            entry = pwd.getpwnam(user)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return subprocess.run(
            command,
            env={**self.environment, **({"HOME": pwd.getpwnam(user).pw_dir, "USER": user} if user else {})},
            cwd="/tmp",
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            **who,  # type: ignore[arg-type]
        )

    def node_states(self) -> dict[str, str]:
        lines = self.ask("sinfo", "-h", "-N", "-o", "%N %T").splitlines()
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def idle(self) -> bool:
        states = self.node_states()
        return set(states) == set(NODES) and set(states.values()) == {"idle"}

    def usable(self) -> bool:
        """All nodes are up; those that are not are told to be."""
        states = self.node_states()
        self._resume(states)
        return set(states) == set(NODES) and all(
            s in ("idle", "mixed", "allocated", "completing", "reserved") for s in states.values()
        )

    def _resume(self, states: dict[str, str]) -> None:
        for node, state in states.items():
            if state.startswith(("down", "drain", "fail")):
                self.ask("scontrol", "update", f"nodename={node}", "state=resume")

    def cancel_all(self) -> None:
        """Ends all jobs at once, without the grace that a job has."""
        self.ask("scontrol", "update", "partition=emulation", "state=up")
        if self.ask("squeue", "-h", "-o", "%i").strip():
            self.ask("scancel", "--state=PENDING")
            self.ask("scancel", "--state=SUSPENDED")
            self.ask("scancel", "--signal=KILL", "--full", "--state=RUNNING")
            self.ask("scancel", "--state=RUNNING")

    # ------------------------------------------------------------------ one daemon each

    def _start_munge(self) -> None:
        c = self.configuration
        private = c.root / "munge"
        command = ["/usr/sbin/munged", "--foreground", "--force", f"--key-file={c.etc}/munge.key", "--num-threads=4"]
        command += [
            f"--socket={c.munge_socket}",
            f"--pid-file={private}/munged.pid",
            f"--log-file={private}/munged.log",
        ]
        command += [f"--seed-file={private}/munged.seed"]
        with packages.add_users() as users:  # they are there as long as the cluster is, whatever other test runs do
            self.daemons.start("munged", command, c.logs / "munged.log", self.environment, user="munge", holds=users)
        probe = ("munge", "-n", f"--socket={c.munge_socket}")
        wait_for("munge", lambda: self.run(*probe).returncode == 0, PATIENCE_S, self._alive("munged"))

    def _start_database(self) -> None:
        c = self.configuration
        data = c.root / "mysql"
        if not (data / "mysql").exists():
            made = self.run(
                *("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=slurm", "--skip-test-db"),
                *("--auth-root-authentication-method=socket", "--auth-root-socket-user=slurm", "--skip-name-resolve"),
            )
            if made.returncode:
                raise Unavailable(f"mariadb-install-db failed: {made.stdout.strip().splitlines()[-1:]}")
        command = ["/usr/sbin/mariadbd", *MARIADB, f"--datadir={data}", f"--socket={c.database_socket}"]
        command += [f"--pid-file={data}/mariadbd.pid"]
        self.daemons.start("mariadbd", command, c.logs / "mariadbd.log", self.environment, user="slurm")
        client = ("mariadb", "--no-defaults", f"--socket={c.database_socket}", "-u", "slurm")
        create = f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n"
        wait_for(
            "MariaDB",
            lambda: self.run(*client, user="slurm", stdin=create).returncode == 0,
            PATIENCE_S,
            self._alive("mariadbd"),
        )

    def _add_accounts(self) -> None:
        done = self.root / "accounts.done"
        if done.exists():
            return
        said = [self.run("sacctmgr", "-i", "-Q", stdin=text).stdout for text in account_commands()]
        known = set(self.ask("sacctmgr", "-nP", "show", "assoc", "format=account,user").split())
        absent = {f"{a}|{user}" for user, accounts, _ in PEOPLE for a in accounts.split(",")} - known
        if absent:
            raise Unavailable(f"The accounting of Slurm lacks {sorted(absent)}: {''.join(said)[-400:]}")
        done.touch()

    def _listens(self, name: str) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.configuration.ports()[name])) == 0

    def _alive(self, name: str) -> Callable[[], bool]:
        return lambda: self.daemons.pid(name) is not None

    def _log_of(self, node: str) -> Path:
        return self.configuration.logs / f"slurmd.{node}.log"


def make_root() -> Path:
    """Short, because sockets lie in it; open, because jobs of other users read their configuration there."""
    root = Path(tempfile.mkdtemp(prefix="qhub-slurm-", dir="/tmp"))
    root.chmod(0o755)
    return root


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on."""
    first = 20000 + os.getpid() % 200 * 50
    for base in [*range(first, 32000, count), *range(20000, first, count)]:
        if all(_free(base + n) for n in range(count)):
            return base
    raise Unavailable(f"No {count} neighbouring ports are free on loopback.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def remove_groups(top: Path) -> None:
    """Those that a slurmd leaves, the innermost first; of those with a process in them nothing is touched."""
    for folder, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def wait_for(what: str, test: Callable[[], bool], within_s: float, alive: Callable[[], bool] = lambda: True) -> None:
    deadline = time.monotonic() + within_s
    while not test():
        if not alive():
            raise Unavailable(f"{what} ended at once.")
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} did not come within {within_s:g} s.")
        time.sleep(0.05)
