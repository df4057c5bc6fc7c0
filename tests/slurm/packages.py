"""Debian's packages that the cluster needs, and the users that its jobs run as."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import IO

NEEDED = {  # package -> a file that shows that it is installed
    "munge": "/usr/sbin/munged",
    "slurmctld": "/usr/sbin/slurmctld",
    "slurmd": "/usr/sbin/slurmd",
    "slurm-client": "/usr/bin/sbatch",
    "slurmdbd": "/usr/sbin/slurmdbd",
    "mariadb-server-core": "/usr/sbin/mariadbd",
    "mariadb-client-core": "/usr/bin/mariadb",
}
USERS = ("qhub-alice", "qhub-bob", "qhub-operator")
_MARK = "qhub test user"
_LOCK = Path("/tmp/qhub-slurm-users.lock")


class Unavailable(Exception):
    """Why this machine cannot have a cluster, in a sentence that pytest shows as the reason for skipping."""


def install() -> None:
    """Installs what is missing. Raises Unavailable."""
    missing = [package for package, file in NEEDED.items() if not Path(file).exists()]
    if not missing:
        return
    wanted = "apt-get install --no-install-recommends " + " ".join(missing)
    if os.geteuid() != 0:
        raise Unavailable(f"Slurm's packages are missing and only root can install them: {wanted}")
    if shutil.which("apt-get") is None:
        raise Unavailable(f"Slurm's packages are missing and this machine has no apt-get: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    guard = Path("/usr/sbin/policy-rc.d")  # keeps the packages' own services from starting
    ours = not guard.exists()
    if ours:
        guard.write_text("#!/bin/sh\nexit 101\n")
        guard.chmod(0o755)
    try:
        apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
        for step in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            done = subprocess.run(
                [*apt, *step], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900
            )
        if done.returncode:
            last = done.stdout.strip().splitlines()[-1:] or ["no output"]
            raise Unavailable(f"{wanted}: exit code {done.returncode}, {last[0]}")
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{wanted}: no answer after 15 minutes") from None
    finally:
        if ours:
            guard.unlink()


def add_users() -> IO[str]:
    """Test users with names of our own. The lock says that they are in use; closing it gives them up."""
    lock = _LOCK.open("a")
    fcntl.flock(lock, fcntl.LOCK_SH)
    for user in USERS:
        try:
            pwd.getpwnam(user)
        except KeyError:
            command = ["useradd", "--create-home", "--user-group", "--shell", "/bin/bash", "--comment", _MARK, user]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode and not _exists(user):  # another test run may have been first
                raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}") from None
    return lock


def remove_users(lock: IO[str]) -> None:
    """Those that `add_users` made, unless another test run still uses them."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return
    for user in USERS:
        if _exists(user) and pwd.getpwnam(user).pw_gecos.startswith(_MARK):
            subprocess.run(["userdel", "--remove", user], capture_output=True)
    lock.close()


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
