"""What is told of an attempt at its end: a summary in its folder, and where a broker collects them, one on the way to it.

All of it comes after the outcome was sealed, and costs the job nothing when it fails: what is not sent lies in the outbox, and the next job's end
takes it along.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.telemetry.console import say

WAIT_S = 2.0
"""The site may end what is left of a job with it: so long the sender may take at most."""
SENDER = "qhub_ext.service.reporting"
_TRAVELS = ("QHUB_CONFIG", "QHUB_BROKER_")


def report(folder: JobFolder, number: int) -> None:
    from qhub_ext.diagnosis.fleet.written import write_summary
    from qhub_ext.jobfolder.outbox import Outbox

    try:
        written = write_summary(folder, number, node=socket.gethostname(), qos=os.environ.get("SLURM_JOB_QOS", ""))
        outbox = Outbox(folder.shelf)
        if not (written and outbox.wanted):
            return
        outbox.put(folder, folder.attempt(number))
        _send(folder)
    except Exception as error:  # noqa: BLE001 - the job has ended and is sealed; whatever this is, it must not become its end
        say(f"no summary of this attempt was sent ({type(error).__name__}: {error}).")


def _send(folder: JobFolder) -> None:
    """In a process of its own, which may read settings and wait for an answer."""
    captured = (read_json_or_none(folder.runtime) or {}).get("environment") or {}
    environment = {**{n: v for n, v in captured.items() if n.startswith(_TRAVELS)}, **os.environ}
    command = [sys.executable, "-P", "-m", SENDER, str(folder.shelf)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
    try:
        process.wait(WAIT_S)
    except subprocess.TimeoutExpired:  # it goes on as long as the site lets it
        return
