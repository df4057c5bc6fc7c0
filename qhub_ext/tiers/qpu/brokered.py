"""The broker as the resource that stands for a device: a session is opened on its socket, and the genuine client gets the session's key."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from qhub_ext.errors import Cause, DeviceError, PreflightError, QhubError, SettingsError
from qhub_ext.job.context import current
from qhub_ext.settings import current_settings
from qhub_ext.telemetry import recorder as spans
from qhub_ext.tiers.qpu import munge, qcs
from qhub_ext.tiers.qpu.capabilities import CAPABILITIES, PRIMITIVES
from qhub_ext.tiers.qpu.resources import Resource

ANSWER_S = 30.0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float = ANSWER_S) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


Place = Path | str
"""A broker's socket on this host, or its address on another one."""


def ask_broker(
    place: Place,
    method: str,
    target: str,
    body: Any = None,
    more: Mapping[str, str] | None = None,
    *,
    timeout_s: float = ANSWER_S,
) -> Any:
    """The JSON answer of the broker at this place. `more` are headers. Raises DeviceError with its words."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **(more or {})}
    connection: http.client.HTTPConnection
    if isinstance(place, Path):
        connection = UnixConnection(place, timeout_s)
    else:
        parts = urlsplit(place)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        headers["authorization"] = _credential(method, target, content)
    try:
        connection.request(method, target, content or None, headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DeviceError(
            f"The broker at {place} cannot be reached: {told}.",
            advice="It is yours, and starts with the first task that needs it."
            if place == current_settings().broker.own
            else "Where none runs, `qhub broker serve --device NAME` starts one.",
            cause=Cause.INTEGRATION,
        ) from None
    finally:
        connection.close()
    record = json.loads(content) if content else {}
    if answer.status >= 400:
        refused = PreflightError if answer.status < 500 else DeviceError
        said = f"The broker refused: {record.get('message', answer.reason)}"
        raise refused(said, advice=record.get("advice", ""), cause=_cause(record.get("cause")))
    return record


def _cause(told: Any) -> Cause | None:
    """A broker of another version may have a word of its own."""
    return Cause(told) if told in set(Cause) else None


def _credential(method: str, target: str, body: bytes) -> str:
    """What says over TCP who asks: the token that an operator gave, or MUNGE."""
    settings = current_settings().broker
    if settings.token_file is None:
        return f"MUNGE {munge.encode(munge.bound_to(method, target, body), settings.munge_socket)}"
    try:
        if settings.token_file.stat().st_mode & 0o077:
            raise SettingsError(f"{settings.token_file} can be read by others.", advice=f"chmod 600 {settings.token_file}")  # fmt: skip
        return f"Bearer {settings.token_file.read_text().strip()}"
    except OSError as error:
        raise SettingsError(f"The token file {settings.token_file} cannot be read: {error.strerror}.") from None


def job_here() -> str:
    """The site's id of the job that this process belongs to; empty where it is none."""
    return os.environ.get("SLURM_JOB_ID") or current().job_id or ""


def job_session(place: Place, profile: str = "", job: str = "") -> dict[str, Any]:
    """The session of the job that this process belongs to: asked again, it is the same one."""
    settings = current_settings().qpu
    body = {
        "job": job or job_here(),
        "profile": profile or current().profile,
        "on_calibration_change": settings.on_calibration_change,
    }
    return dict(ask_broker(place, "POST", "/v1/sessions", body, trace_header()))


def trace_header() -> dict[str, str]:
    """The open span, for who takes part in its trace."""
    here = spans.here()
    return {} if here is None else {"traceparent": here.traceparent}


def brokered_resource(device: str, path: Place, job: str = "", profile: str = "") -> Resource:
    """A resource of the vendor's own type, whose endpoint is the broker and whose credentials are those of this job's session. IBM's are reached with the
    genuine client; tasks of other types go over the broker's own API (`turn`).
    """
    session = job_session(path, profile, job)
    if device not in session.get("types", {device: ""}) and path == current_settings().broker.own:
        session |= ask_broker(path, "POST", "/v1/devices", {"device": device})
    virtual = device in session.get("virtual", ())
    source = f"the broker at {path}"
    kind = session.get("types", {}).get(device, qcs.TYPE)
    if kind in CAPABILITIES and CAPABILITIES[kind].takes != PRIMITIVES:
        return Resource(device, kind, source, device, {"session": session["id"]}, virtual=virtual, brokered=True)
    config = {
        **qcs.client_config(session["url"], session["key"], "broker"),
        "QRMI_IBM_QCS_SESSION_ID": session["id"],
    }
    return Resource(device, qcs.TYPE, source, device, config, virtual=virtual, brokered=True)


def resource_at(path: Place, device: str) -> Resource | None:
    """A device of the broker without a session, which can be asked what it is like and given no task; None where the broker does not have it."""
    for told in ask_broker(path, "GET", "/v1/status")["devices"]:
        if told["name"] == device:
            kind, virtual = told.get("type") or qcs.TYPE, bool(told.get("virtual"))
            return Resource(device, kind, f"the broker at {path}", device, virtual=virtual, brokered=True)
    return None


def simulated_at(path: Place, device: str) -> bool:
    """Whether the broker says that a virtual QPU stands for the device; False where it does not answer."""
    try:
        found = resource_at(path, device)
    except QhubError:
        return False
    return found is not None and found.virtual


def why_it_waits(path: Place, task: str) -> str:
    """The broker's sentence about a task, with when it may begin; "" where it has none or does not answer."""
    try:
        told = ask_broker(path, "GET", f"/v1/tasks/{quote(task, safe='')}")
    except QhubError:
        return ""
    return f"{told['why']} It may begin {told['expected']}." if told["why"] and told["expected"] else str(told["why"])
