"""The part of Pasqal's cloud API that the genuine client speaks, for the devices of `sequences`.

/identity/pasqal                                    a token for the key
/core-fast/api/v1/devices, /devices/specs/X, /devices/public-specs
/core-fast/api/v1/batches, /core-fast/api/v2/batches/ID, /core-fast/api/v2/jobs/ID, .../full_results, .../cancel
"""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from urllib.parse import parse_qs

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from qhub_ext.virtualqpu.calendar import Calendar
from qhub_ext.virtualqpu.faults import Faults
from qhub_ext.virtualqpu.line import Line, VirtualTask
from qhub_ext.virtualqpu.sequences import DEVICES, SequenceMachine, SequenceProgram

PREFIX = "/core-fast/"
OPEN = ("/core-fast/api/v1/devices", "/core-fast/api/v1/devices/public-specs")
"""Answered to everybody."""
STATES = {"Queued": "PENDING", "Running": "RUNNING", "Completed": "DONE", "Failed": "ERROR", "Cancelled": "CANCELED"}


class Bench:
    """The lines of the devices that take sequences; opened when they are first asked for."""

    def __init__(self, faults: Faults, speed: float, calendar: Callable[[str], Calendar]) -> None:
        self._faults, self._speed, self._calendar = faults, speed, calendar
        self._machines: dict[str, SequenceMachine] = {}
        self._lines: dict[str, Line] = {}
        self._opened = threading.Lock()

    def machine(self, name: str) -> SequenceMachine:
        with self._opened:
            return self._machines.setdefault(name, SequenceMachine(name))

    def line(self, name: str) -> Line:
        with self._opened:
            if name not in self._lines:
                machine = self._machines.setdefault(name, SequenceMachine(name))
                calendar = self._calendar(name)
                self._lines[name] = Line(
                    lambda task: machine.perform(task, cast(SequenceProgram, task.program), calendar, self._speed),
                    self._faults,
                    calendar,
                )
            return self._lines[name]

    def task(self, task_id: str) -> tuple[Line, VirtualTask] | None:
        """By its id, or by that of its only job."""
        for line in self.lines:
            task = line.get(task_id.removeprefix("job-"))
            if task is not None:
                return line, task
        return None

    @property
    def lines(self) -> list[Line]:
        return list(self._lines.values())


def add_pasqal(app: FastAPI, bench: Bench, key: str, admit: Callable[[str], None], faults: Faults) -> None:
    @app.post("/identity/pasqal")
    async def pasqal_token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if not hmac.compare_digest(form.get("client_secret", form.get("password", "")), key):
            return trouble(401, "Wrong client id or secret.")
        token = _web_token()
        admit(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    @app.get("/core-fast/api/v1/devices")
    def devices(device_type: str = "") -> Any:
        if device_type and device_type not in DEVICES:
            return trouble(404, f"There is no device {device_type!r}.")
        down = bool({"paused", "offline", "calibrating"} & {fault["kind"] for fault in faults.listed()})
        status = {"status": "DOWN" if down else "UP", "availability": "ACTIVE", "simulated": True}
        return {"data": [{"device_type": name, **status} for name in DEVICES if device_type in ("", name)]}

    @app.get("/core-fast/api/v1/devices/specs/{name}")
    def specs(name: str) -> Any:
        if name not in DEVICES or faults.strikes("null_target", name):
            return trouble(404, f"There is no device {name!r}.")
        return {"data": {"device_type": name, "specs": bench.machine(name).specs()}}

    @app.get("/core-fast/api/v1/devices/public-specs")
    def public_specs() -> Any:
        return {"data": [{"device_type": name, "specs": bench.machine(name).specs()} for name in DEVICES]}

    @app.post("/core-fast/api/v1/batches")
    async def create(request: Request) -> Any:
        body = await request.json()
        name = str(body.get("device_type"))
        if name not in DEVICES:
            return trouble(404, f"There is no device {name!r}.")
        program = await anyio.to_thread.run_sync(bench.machine(name).read, body)
        task = VirtualTask(name, program, params=zlib.compress(json.dumps(body).encode(), 1))
        bench.line(name).accept(task)
        return {"data": _batch(task)}

    @app.get("/core-fast/api/v1/batches")
    def batches(
        device_type: str = "", start_date: str = "", end_date: str = "", limit: int = 100, offset: int = 0
    ) -> Any:
        try:
            after, before = (datetime.fromisoformat(d).timestamp() if d else None for d in (start_date, end_date))
        except ValueError:
            return trouble(400, "A date is none.")
        tasks = [
            task
            for line in bench.lines
            for task in line.tasks()
            if device_type in ("", task.backend)
            and (after is None or task.created_at >= after)
            and (before is None or task.created_at <= before)
        ]
        tasks.sort(key=lambda task: -task.created_at)
        pagination = {"total": len(tasks), "start": offset, "end": min(len(tasks), offset + limit)}
        return {"data": [_batch(task) for task in tasks[offset : offset + limit]], "pagination": pagination}

    @app.get("/core-fast/api/v2/batches/{task_id}")
    def batch(task_id: str) -> Any:
        found = bench.task(task_id)
        if found is None:
            return trouble(404, f"There is no batch {task_id!r}.")
        text = cast(SequenceProgram, found[1].program).text
        return {"data": {**_batch(found[1]), "sequence_builder": text}}

    @app.get("/core-fast/api/v2/jobs")
    def jobs(batch_id: str) -> Any:
        found = bench.task(batch_id)
        return {"data": [_job(found[1])] if found else []}

    @app.get("/core-fast/api/v2/jobs/{job_id}")
    def job(job_id: str) -> Any:
        found = bench.task(job_id)
        return {"data": _job(found[1])} if found else trouble(404, f"There is no job {job_id!r}.")

    @app.get("/core-fast/api/v1/batches/{task_id}/full_results")
    def results(task_id: str) -> Any:
        found = bench.task(task_id)
        if found is None or found[1].result is None:
            return trouble(404, f"The batch {task_id!r} has no results.")
        return {"data": {f"job-{found[1].id}": json.loads(found[1].result)}}

    @app.patch("/core-fast/api/v2/batches/{task_id}/cancel")
    def cancel(task_id: str) -> Any:
        found = bench.task(task_id)
        if found is None:
            return trouble(404, f"There is no batch {task_id!r}.")
        line, task = found
        if task.ended:
            return trouble(400, f"The batch {task_id!r} has ended: {STATES[task.state]}.")
        line.cancel(task)
        return {"data": _batch(task)}


def trouble(code: int, message: str) -> Response:
    return JSONResponse({"status": "error", "message": message, "code": str(code)}, status_code=code)


def _batch(task: VirtualTask) -> dict[str, Any]:
    return {"id": task.id, "status": STATES[task.state], "job_ids": [f"job-{task.id}"], "device_type": task.backend, "simulated": True}  # fmt: skip


def _job(task: VirtualTask) -> dict[str, Any]:
    errors = [task.reason] if task.state == "Failed" else []
    return {
        "id": f"job-{task.id}",
        "status": STATES[task.state],
        "errors": errors,
        "runs": cast(SequenceProgram, task.program).runs,
        "simulated": True,
    }


def _web_token() -> str:
    """In the shape of a JWT, whose end the client reads; unsigned, as the server remembers it."""

    def part(record: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(record).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'exp': int(time.time()) + 3600, 'jti': uuid.uuid4().hex})}."
