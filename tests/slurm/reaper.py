"""Runs a slurmd and takes in the orphans of its jobs, as a machine's first process does.

Slurm believes a job's process group to be alive until the last of its zombies is taken in, looks again after 1 s and then after 2 s. Where the
first process of a container is in no hurry, the end of every second job would take these three seconds.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36


def main(write_to: int, command: list[str]) -> None:
    """Tells the pid of the command through a file descriptor; ends with the last of all descendants."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid = os.fork()
    if pid == 0:
        os.close(write_to)
        os.execv(command[0], command)
    os.write(write_to, str(pid).encode())
    os.close(write_to)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
