"""`python -m tests.slurm up|down|status|env|run`; `guard` is what a test run leaves its cluster to."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.slurm import packages
from tests.slurm.cluster import Cluster
from tests.slurm.packages import Unavailable


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slurm", description="A real Slurm on this machine.")
    parser.add_argument("verb", choices=["up", "down", "status", "env", "run", "guard"])
    parser.add_argument("--root", type=Path, default=Path("/tmp/qhub-slurm"), help="folder of the cluster")
    parser.add_argument("--no-database", action="store_true", help="without slurmdbd: no accounts and no sacct")
    parser.add_argument("--user", help="with `run`: one of " + ", ".join(packages.USERS))
    parser.add_argument("command", nargs="*", help="with `run`: after --")
    chosen = parser.parse_args()
    cluster = Cluster(chosen.root, database=not chosen.no_database)
    try:
        if chosen.verb == "up":
            cluster.up()
        elif chosen.verb == "guard":
            return guard(cluster)
        elif chosen.verb == "down":
            cluster.down()
            packages.remove_users(packages.add_users())
        elif chosen.verb == "run":
            done = cluster.run(*chosen.command, user=chosen.user)
            print(done.stdout, end="")
            return done.returncode
        elif chosen.verb == "status":
            for name in cluster.configuration.daemons:
                print(f"{name:12} {cluster.daemons.pid(name) or 'down'}")
        if chosen.verb in ("up", "env"):
            print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}")
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def guard(cluster: Cluster) -> int:
    """Waits for the end of its stdin, which is the end of the test run, however that came; then takes the cluster down."""
    users = packages.add_users()
    print("watching", flush=True)
    sys.stdin.read()
    cluster.down()
    packages.remove_users(users)
    return 0


if __name__ == "__main__":
    sys.exit(main())
