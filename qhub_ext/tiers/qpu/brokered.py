"""The broker as the resource that stands for a device: a session is opened on its socket, and the genuine client gets the session's key."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qhub_ext.errors import Cause, DeviceError, PreflightError, QhubError
from qhub_ext.job.context import current
from qhub_ext.tiers.qpu import qcs
from qhub_ext.tiers.qpu.resources import Resource

ANSWER_S = 30.0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask_broker(path: Path, method: str, target: str, body: Any = None) -> Any:
    """The JSON answer of the broker at this socket. Raises DeviceError with its words."""
    connection = UnixConnection(path)
    try:
        headers = {"content-type": "application/json"}
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
    except OSError as error:
        raise DeviceError(
            f"The broker at {path} cannot be reached: {error.strerror or error}.",
            advice="Where none runs, `qhub broker serve --device NAME` starts one.",
            cause=Cause.INTEGRATION,
        ) from None
    finally:
        connection.close()
    record = json.loads(content) if content else {}
    if answer.status >= 400:
        refused = PreflightError if answer.status in (400, 403, 404, 409) else DeviceError
        said = f"The broker refused: {record.get('message', answer.reason)}"
        raise refused(said, advice=record.get("advice", ""), cause=_cause(record.get("cause")))
    return record


def _cause(told: Any) -> Cause | None:
    """A broker of another version may have a word of its own."""
    return Cause(told) if told in set(Cause) else None


def brokered_resource(device: str, path: Path) -> Resource:
    """A resource of the vendor's own type, whose endpoint is the broker and whose credentials are those of this job's session."""
    context = current()
    job = os.environ.get("SLURM_JOB_ID") or context.job_id or ""
    session = ask_broker(path, "POST", "/v1/sessions", {"job": job, "profile": context.profile})
    config = {
        **qcs.client_config(session["url"], session["key"], "broker"),
        "QRMI_IBM_QCS_SESSION_ID": session["id"],
    }
    virtual = device in session.get("virtual", ())
    source = f"the broker at {path}"
    return Resource(device, qcs.TYPE, source, device, config, virtual=virtual, brokered=True)


def simulated_at(path: Path, device: str) -> bool:
    """Whether the broker says that a virtual QPU stands for the device; False where it does not answer."""
    try:
        devices = ask_broker(path, "GET", "/v1/status")["devices"]
    except QhubError:
        return False
    return any(d["name"] == device and d.get("virtual", False) for d in devices)


def why_it_waits(path: Path, task: str) -> str:
    """The broker's sentence about a task; "" where it has none or does not answer."""
    try:
        return str(ask_broker(path, "GET", f"/v1/tasks/{quote(task, safe='')}")["why"])
    except QhubError:
        return ""
