"""The HTTP server: who is let in, with which faults, and the doors that are ours; those of each vendor's clients are in `ibm`, `pasqal` and `iqm`.

/identity/token, /api/v1 ...           IBM's, see `ibm`
/core-fast/api ...                     Pasqal's, see `pasqal`
/iqm/api ...                           IQM's, see `iqm`
/health, /spans/{task}, /admin/faults, /admin/calibration   ours
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import Response

from qhub_ext import __version__
from qhub_ext.errors import QhubError, UnknownNameError
from qhub_ext.telemetry.answers import TIME_HEADER, Piece, answer_spans
from qhub_ext.tiers.qpu import qcs
from qhub_ext.virtualqpu import ibm, iqm, pasqal
from qhub_ext.virtualqpu.faults import Fault
from qhub_ext.virtualqpu.house import House
from qhub_ext.virtualqpu.ibm import refusal


def build(house: House, key: str) -> FastAPI:
    app = FastAPI(
        title="qhub_ext virtual QPU", summary="Simulated. Speaks as IBM's quantum compute service does.", version="1"
    )
    tokens: dict[str, float] = {}

    def admit(token: str) -> None:
        tokens[token] = time.time() + qcs.TOKEN_S

    @app.middleware("http")
    async def door(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        if path.startswith((ibm.PREFIX, pasqal.PREFIX, iqm.PREFIX)):
            house.last_asked = time.monotonic()
            fault = house.faults.at_the_door(request.method, path)
            if fault is not None:
                if fault.kind == "hang":
                    await anyio.sleep(3600)
                elif fault.kind == "slow":
                    await anyio.sleep(fault.delay_s)
                elif fault.kind == "cut":
                    return Response('{"', media_type="application/json", headers={"content-length": "4096"})
                elif fault.kind != "late":
                    return refusal(int(fault.kind), f"a fault that was switched on ({fault.kind})")
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if path.startswith(iqm.PREFIX):  # IQM's tokens are made by hand and hold: the key is one
                if not hmac.compare_digest(bearer.encode(), key.encode()):
                    return iqm.trouble(401, "unauthorized", "The token is not valid.")
            elif path not in pasqal.OPEN and tokens.get(bearer, 0.0) < time.time():
                return refusal(401, "The token is not valid.")
            if fault is not None and fault.kind == "late":
                answer = await go_on(request)
                await anyio.sleep(fault.delay_s)
                return answer
        elif path.startswith(("/admin/", "/spans/")) and not hmac.compare_digest(
            request.headers.get("x-api-key", ""), key
        ):
            return refusal(401, "The key is not valid.")
        return await go_on(request)

    @app.middleware("http")
    async def clock(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await go_on(request)
        answer.headers[TIME_HEADER] = f"{time.time():.6f}"
        return answer

    @app.exception_handler(QhubError)
    async def refused(_: Request, error: QhubError) -> Response:
        return refusal(404 if isinstance(error, UnknownNameError) else 400, str(error))

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {
            "instance": house.instance,
            "version": __version__,
            "simulated": True,
            "devices": house.known(),
            "cycles": house.marks(),
            "standing": house.standing(),
        }

    @app.get("/spans/{task_id}")
    def spans(task_id: str, traceparent: Annotated[str, Header(max_length=512)] = "") -> Any:
        """When the task waited and when it ran, as OTLP JSON below the span that the `traceparent` names."""
        found = house.task(task_id)
        if found is None:
            return refusal(404, f"There is no task {task_id!r}.")
        task = found[1]
        named: dict[str, Any] = {"qhub.task.vendor_id": task_id}
        ran = named if task.qpu_s is None else {**named, "qhub.qpu.seconds": float(task.qpu_s)}
        pieces = [
            Piece("wait at the device", "device_queue", task.created_at, task.started_at or task.ended_at, named),
            Piece("on the device", "quantum", task.started_at, task.ended_at, ran),
        ]
        return answer_spans("qhub-virtual-qpu", traceparent, task_id, pieces)

    ibm.add_ibm(app, house, key, admit)
    pasqal.add_pasqal(app, house.sequences, key, admit, house.faults)
    iqm.add_iqm(app, house)

    @app.get("/admin/faults")
    def list_faults() -> dict[str, Any]:
        return {"faults": house.faults.listed()}

    @app.post("/admin/faults")
    async def switch_on(request: Request) -> dict[str, Any]:
        body = await request.json()
        known = {name: body[name] for name in ("kind", "where", "times", "delay_s", "method") if name in body}
        house.faults.switch_on(Fault(**known))
        return list_faults()

    @app.delete("/admin/faults")
    def switch_off() -> dict[str, Any]:
        house.faults.clear()
        return list_faults()

    @app.get("/admin/calibration")
    def calibrations() -> dict[str, Any]:
        return {"devices": {name: _calibration(house, name) for name in house.known()}}

    @app.post("/admin/calibration/{name}")
    def calibrate(
        name: str, window_s: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None
    ) -> dict[str, Any]:
        found = house.resolve(name)
        house.calendar(found).calibrate(window_s)
        return _calibration(house, found)

    return app


def _calibration(house: House, name: str) -> dict[str, Any]:
    moment = house.calendar(name).now()
    return vars(moment) | {"snapshot": house.machine(name).at(moment.cycle, moment.since).snapshot.id}
