"""Real daemons for the broker's tests, ended by their pids: a PostgreSQL in a folder of its own, and a munged with a key of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.packages import Unavailable
from tests.waiting import wait_until

NOBODY = "nobody"


def need(package: str, present: bool) -> None:
    """Installs one of Debian's packages where it is missing. Raises Unavailable."""
    if present:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unavailable(f"{package} is missing; an administrator installs it with: apt-get install {package}")
    guard = Path("/usr/sbin/policy-rc.d")  # keeps the package's own service from starting
    ours = not guard.exists()
    if ours:
        guard.write_text("#!/bin/sh\nexit 101\n")
        guard.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
            command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *words]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"apt-get install {package}: no answer after 10 minutes") from None
    finally:
        if ours:
            guard.unlink()
    if done.returncode:
        raise Unavailable(f"apt-get install {package}: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")


def _postgres_programs() -> Path | None:
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@dataclass
class PostgresServer:
    """Listens at a unix socket in its folder alone. `url()` names a database; each is made when it is asked for."""

    folder: Path
    programs: Path
    user: str
    made: int = 0

    def url(self, database: str = "") -> str:
        if not database:
            self.made += 1
            database = f"qhub{self.made}"
            self.run("createdb", "-h", str(self.folder), database)
        return f"postgresql://{self.user}@/{database}?host={self.folder}"

    def run(self, program: str, *words: str) -> str:
        command = [str(self.programs / program), *words]
        done = subprocess.run(_as(self.user, command), capture_output=True, text=True, timeout=120, cwd="/")
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def sql(self, url: str, statement: str) -> str:
        return self.run("psql", "-Atq", "-c", statement, url)

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.run(
            "pg_ctl", "-w", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder / "data"), "-m", mode, "stop")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Raises Unavailable."""
    need("postgresql", _postgres_programs() is not None)
    programs = _postgres_programs()
    if programs is None:
        raise Unavailable("PostgreSQL's programs are not where Debian puts them")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="qhub-pg-", dir="/tmp") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        server = PostgresServer(folder, programs, user)
        server.run("initdb", "-A", "trust", "-N", "-U", user, "-D", str(folder / "data"))
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@contextmanager
def munge_daemon() -> Iterator[Path]:
    """The socket of a munged with a key of its own, as root or as whoever runs the tests. Raises Unavailable."""
    need("munge", Path("/usr/sbin/munged").exists())
    with tempfile.TemporaryDirectory(prefix="qhub-munge-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        key, socket = folder / "key", folder / "socket"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        options = [f"--{what}-file={folder / what}" for what in ("pid", "log", "seed")]
        command = ["/usr/sbin/munged", "--foreground", f"--key-file={key}", f"--socket={socket}", *options]
        with (folder / "told").open("w") as told:
            process = subprocess.Popen(command, stdout=told, stderr=told)
        try:
            wait_until(lambda: socket.exists() or process.poll() is not None, what="munged")
            if process.poll() is not None:
                raise Unavailable(f"munged does not start here: {(folder / 'told').read_text()[-300:]}")
            yield socket
        finally:
            process.terminate()
            process.wait(60)


def _as(user: str, command: list[str]) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command] if os.geteuid() == 0 else command  # fmt: skip
