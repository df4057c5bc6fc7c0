"""The process that owns one QuantumResource: reads calls from its standard input, a JSON object per line, and answers each.

    {"id": 1, "call": "open", "resource": "kingston", "type": "ibm-quantum-compute-service", "config": {...}}
    {"id": 2, "call": "task_start", "payload": {"kind": "primitive", "program": "sampler", "input": "{...}"}}
    {"id": 1, "value": ...}   or   {"id": 2, "error": {"type": "QrmiError", "message": "..."}}

Credentials arrive in the first line: not in the arguments, not in the environment, which others might read. When its input ends, the one
who asked is gone: what it started and did not see end is stopped, so that nobody pays for it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from importlib import import_module
from typing import Any, TextIO
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, getproxies, proxy_bypass, urlopen

KINDS = {
    "alice-bob-felis": "AliceBobFelis",
    "ibm-quantum-compute-service": "IBMQuantumComputeService",
    "ibm-quantum-system": "IBMQuantumSystem",
    "iqm-server": "IQMServer",
    "oqtopus": "OQTOPUS",
    "pasqal-cloud": "PasqalCloud",
    "pasqal-local": "PasqalLocal",
    "qiskit-runtime-service": "IBMQiskitRuntimeService",
}


FRESH_S = 30.0
"""A service that answered so short a time ago is there."""


class Owner:
    def __init__(self) -> None:
        self._resource: Any = None
        self._name = ""
        self._config: dict[str, str] = {}
        self._heard_at = -FRESH_S
        self._open_tasks: set[str] = set()

    def answer(self, call: dict[str, Any]) -> Any:
        name = call["call"]
        if name == "open":
            qrmi: Any = import_module("qrmi")
            kind = getattr(qrmi.ResourceType, KINDS[call["type"]])
            self._name, self._config = call["resource"], call["config"]
            self._resource = qrmi.QuantumResource.from_config(call["resource"], kind, call["config"])
            return None
        if name == "task_start":
            self._knock()
            task = str(self._resource.task_start(_payload(call["payload"])))
            self._open_tasks.add(task)
            self._heard_at = time.monotonic()
            return task
        answer = getattr(self, f"_{name}")(*call.get("arguments", ()))
        if name != "target":  # which is null where nobody answers
            self._heard_at = time.monotonic()
        return answer

    def _knock(self) -> None:
        """Raises OSError where no connection can be made. QRMI says of a service that is down only that sending failed, and then nobody
        could know whether it has the task; this way it is known that nothing was sent.
        """
        if time.monotonic() - self._heard_at < FRESH_S:
            return
        for key, value in self._config.items():
            if not key.endswith(("_ENDPOINT", "_BASE_URL")) or not value.startswith("http"):
                continue
            address = urlsplit(value)
            if getproxies().get(address.scheme) and not proxy_bypass(address.netloc):
                continue  # the proxy makes the connection
            port = address.port or (443 if address.scheme == "https" else 80)
            with socket.create_connection((address.hostname or "", port), timeout=10):
                pass

    def _status(self) -> dict[str, Any]:
        """`status` in the client's own word, such as online; the rest as plain data."""
        status = self._resource.status().to_dict()
        plain = {
            str(key): value if isinstance(value, int | float | bool | None) else str(value)
            for key, value in status.items()
        }
        return {**plain, "status": str(plain.get("status", "")).rpartition(".")[2].lower()}

    def _target(self) -> str | None:
        return getattr(self._resource.target(), "value", None)

    def _acquire(self) -> str:
        return str(self._resource.acquire())

    def _release(self, token: str) -> None:
        self._resource.release(token)

    def _task_status(self, task: str) -> str:
        state = str(self._resource.task_status(task)).rpartition(".")[2]
        if state in ("Completed", "Failed", "Cancelled"):
            self._open_tasks.discard(task)
        return state

    def _task_result(self, task: str) -> str:
        return str(self._resource.task_result(task).value)

    def _task_logs(self, task: str) -> str:
        return str(self._resource.task_logs(task))

    def _task_stop(self, task: str) -> None:
        self._resource.task_stop(task)
        self._open_tasks.discard(task)

    def _tasks(self, since: str, until: str) -> list[dict[str, Any]]:
        """Tasks of this account on this device that were made between two moments (ISO 8601), each with what it was made of.

        QRMI has no such question, so this one, which changes nothing, goes to the service of IBM itself.
        """
        token = _fetch(
            f"{self._config['QRMI_IBM_QCS_IAM_ENDPOINT']}/identity/token",
            {},
            {
                "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
                "apikey": self._config["QRMI_IBM_QCS_IAM_APIKEY"],
            },
        )["access_token"]
        headers = {
            "authorization": f"Bearer {token}",
            "service-crn": self._config["QRMI_IBM_QCS_SERVICE_CRN"],
            "ibm-api-version": "2025-01-01",
        }
        asked = {"backend": self._name, "created_after": since, "created_before": until, "limit": 200}
        url = f"{self._config['QRMI_IBM_QCS_ENDPOINT']}/jobs"
        listed = _fetch(f"{url}?{urlencode(asked | {'exclude_params': 'true'})}", headers)["jobs"]
        return [_fetch(f"{url}/{job['id']}?exclude_params=false", headers) for job in listed]

    def stop_open_tasks(self) -> None:
        for task in sorted(self._open_tasks):
            try:
                self._resource.task_stop(task)
            except BaseException as error:  # noqa: BLE001 - the process ends; the panics of pyo3 are no Exceptions
                print(f"task {task} could not be stopped: {error}", file=sys.stderr)


def _fetch(url: str, headers: dict[str, str], form: dict[str, str] | None = None) -> Any:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no address")
    data = None if form is None else urlencode(form).encode()
    with urlopen(Request(url, data, {"accept": "application/json", **headers}), timeout=30) as answer:  # noqa: S310 - checked above
        return json.load(answer)


def _payload(payload: dict[str, Any]) -> Any:
    qrmi: Any = import_module("qrmi")
    if payload["kind"] == "primitive":
        return qrmi.Payload.QiskitPrimitive(input=payload["input"], program_id=payload["program"])
    if payload["kind"] == "pulser":
        return qrmi.Payload.PasqalCloud(sequence=payload["sequence"], job_runs=payload["runs"])
    raise ValueError(f"there is no payload {payload['kind']!r}")


def serve(calls: TextIO, answers: TextIO) -> None:
    owner = Owner()
    for line in calls:
        call = json.loads(line)
        try:
            answer = {"id": call["id"], "value": owner.answer(call)}
        except BaseException as error:  # noqa: BLE001 - a panic of pyo3 is a BaseException; the caller is told
            kind = type(error)
            names = [cls.__name__.rstrip("_") for cls in kind.__mro__]
            answer = {"id": call["id"], "error": {"type": names[0], "known": names, "message": str(error)}}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    owner.stop_open_tasks()


def main() -> None:
    # what the client library prints must not fall between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
