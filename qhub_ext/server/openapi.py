"""The OpenAPI 3.1 document of the server: one line per verb, the shapes in `qhub_ext.server.schemas`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qhub_ext import __version__
from qhub_ext.diagnosis.fleet.viewer import KEYS
from qhub_ext.server.base import SITE, QhubHandler, may
from qhub_ext.server.schemas import ACTION, COUNT, JOB_ID, SCHEMAS, STATE, TEXT, TIER, Schema, many, ref


@dataclass(frozen=True)
class Operation:
    """`answer` names a schema, or is a media type; `refusals` are the statuses beside 403 that it may have."""

    method: str
    template: str
    summary: str
    answer: str
    query: tuple[tuple[str, Schema], ...] = ()
    body: str = ""
    status: int = 200
    refusals: tuple[int, ...] = ()


_AFTER = ("after", COUNT)
_ATTEMPT = ("attempt", COUNT)
_FLAG: Schema = {"type": "integer", "enum": [0, 1]}
_SITE = (502, 503)

OPERATIONS = (
    Operation("get", "status", "Site, tiers, what the settings choose, how many jobs run and wait.", "Status"),
    Operation("get", "devices", "Devices with the age of their calibration, and what stands for them.", "Devices", query=(("tier", TIER),), refusals=(400,)),
    Operation("get", "devices/{device}/calibration", "The newest known calibration of a device, as a map.", "Calibration", refusals=(404,)),
    Operation("get", "queue", "What runs and what waits at the site, of any user.", "Queue", refusals=_SITE),
    Operation("get", "tasks", "Quantum tasks at the broker, in the order in which they would run, and why each waits; none where there is no broker.", "Tasks", refusals=(502, 503)),
    Operation(
        "get", "jobs", "My jobs, newest first.", "Jobs", refusals=(400,),
        query=(("state", many(STATE)), ("tier", many(TIER)), ("text", TEXT), ("offset", COUNT), ("limit", {"type": "integer", "minimum": 1, "maximum": 1000})),
    ),
    Operation(
        "post", "jobs", "Submits a source, or a file below the server's root. The same Idempotency-Key again is the same job (200).", "Submitted",
        body="Submission", status=201, refusals=(400, 409, *_SITE),
    ),
    Operation("get", "changes", "What changed since a number of an epoch; complete is false where that cannot be told.", "Changes", query=(("epoch", TEXT), _AFTER), refusals=(400,)),
    Operation("get", "jobs/{job}", "One job.", "Job", refusals=(404,)),
    Operation("get", "jobs/{job}/events", "Its journals in the order of time; none when there are no more than `after`.", "Events", query=(_AFTER,), refusals=(400, 404)),
    Operation("get", "jobs/{job}/outputs", "Its outputs as a notebook has them (nbformat 4); `unchanged` when there are none after a number.", "Outputs", query=(_ATTEMPT, _AFTER), refusals=(400, 404)),
    Operation("get", "jobs/{job}/logs", "What it printed; with follow=1 as it comes, until it has ended.", "text/plain", query=(_ATTEMPT, ("follow", _FLAG)), refusals=(400, 404)),
    Operation("get", "jobs/{job}/script", "What the site runs, and the cell as it was typed.", "Script", refusals=(404,)),
    Operation("get", "jobs/{job}/detail", "Captured and returned names, runtime, tasks, calibration, attempts.", "Detail", refusals=(404,)),
    Operation("get", "jobs/{job}/trace", "Where its time went.", "Trace", refusals=(404,)),
    Operation("get", "jobs/{job}/trace/figure", "The same as a figure of plotly.", "TraceFigure", refusals=(404,)),
    Operation("get", "jobs/{job}/trace/beside/{other}", "Where the time of two jobs went.", "Comparison", refusals=(400, 404)),
    Operation("get", "jobs/{job}/explain", "Why it waits or how it ended, whose move it is, what to try; with others=1 also whether others meet the same.", "Explanation", query=(("others", _FLAG),), refusals=(400, 404, *_SITE)),
    Operation("get", "jobs/{job}/estimate", "When it may start, as a range where there is no plan; asks the site.", "Estimate", refusals=(404, *_SITE)),
    Operation("get", "jobs/{job}/archive", "Its folder as a zip file.", "application/zip", refusals=(404,)),
    Operation("post", "jobs/{job}/rerun", "A new job of the same bundle, options and seed; what the body names is another.", "Submitted", body="Rerun", status=201, refusals=(400, 404, *_SITE)),
    Operation("post", "jobs/{job}/{verb}", "Ends, holds, releases it, or begins a new attempt.", "Acted", refusals=(404, 409, *_SITE)),
    Operation("post", "actions", "One verb for many jobs.", "ActedOnMany", body="Action", refusals=(400, 404, *_SITE)),
    Operation("post", "tutorials", "Copies the tutorial notebooks below the server's root, never over one that was changed.", "Tutorials", body="Folder", refusals=(400, 404)),
    Operation(
        "get", "fleet", "What ended lately at the whole site: by one thing, clusters of like failures with a verdict, and service levels. Names only for the broker's operators.", "Fleet",
        query=(("by", {"type": "string", "enum": list(KEYS)}), ("days", {"type": "integer", "minimum": 1, "maximum": 365})), refusals=(400, *_SITE),
    ),
    Operation("get", "doctor", "The way of a job looked at from end to end.", "Doctor"),
    Operation("get", "openapi.json", "This document.", "application/json"),
)  # fmt: skip

_MEANINGS = {
    400: "A slip in the request.",
    403: "Not logged in, or not allowed.",
    404: "There is no such job or device.",
    409: "The state of the job or of its folder does not allow it, or the key came with another request.",
    500: "Ours.",
    502: "The site said no.",
    503: "The site cannot be reached; known_at says when it last answered.",
}
_IN_PATH = {"job": JOB_ID, "other": JOB_ID, "device": TEXT, "verb": ACTION}


def document(base_url: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(f"/{operation.template}", {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "qhub_ext", "version": __version__, "description": "Jobs, queue and devices of qhub_ext in a Jupyter server."},
        "servers": [{"url": f"{base_url}qhub_ext"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "token THE-TOKEN"}},
        },
    }  # fmt: skip


def _operation(operation: Operation) -> dict[str, Any]:
    named = [part.strip("{}") for part in operation.template.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _IN_PATH[name]} for name in named
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query]
    answers: dict[str, Any] = {str(operation.status): _answer(operation.answer)}
    if operation.body == "Submission":
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": {**TEXT, "maxLength": 200}})
        answers["200"] = _answer(operation.answer)
    of_a_job = {409} if "{job}" in operation.template else set()
    for status in sorted({403, *of_a_job, *operation.refusals}):
        answers[str(status)] = {"description": _MEANINGS[status], "content": _content(ref("Error"))}
    name = "_".join([operation.method, *(p.strip("{}").replace(".", "_") for p in operation.template.split("/"))])
    found: dict[str, Any] = {
        "operationId": name,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": answers,
    }
    if operation.body:
        found["requestBody"] = {
            "required": operation.body not in ("Rerun", "Folder"),
            "content": _content(ref(operation.body)),
        }
    return found


def _answer(answer: str) -> dict[str, Any]:
    if "/" not in answer:
        return {"description": answer, "content": _content(ref(answer))}
    schema: Schema = {"type": "object"} if answer == "application/json" else {"type": "string"}
    return {"description": answer, "content": {answer: {"schema": schema}}}


def _content(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


class OpenApiHandler(QhubHandler):
    @may("read", SITE)
    async def get(self) -> None:
        self.reply(document(self.base_url))
