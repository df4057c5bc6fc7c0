"""The written-down API is true: it is valid, it names every verb that there is, and answers have the shapes that it says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from qhub_ext.server.openapi import OPERATIONS, document
from qhub_ext.server.routes import ROUTES
from tests.server.conftest import until

VERBS = ("get", "head", "post", "put", "patch", "delete")


def test_it_is_valid_openapi():
    OpenAPIV31SpecValidator(document("/")).validate()


def test_it_names_every_verb_of_every_address_and_no_other():
    served = {(verb, template) for template, handler in ROUTES for verb in VERBS if verb in vars(handler)}
    assert {(o.method, o.template) for o in OPERATIONS} == served


async def test_every_answer_has_the_shape_that_it_says(api, place, submit, ended):
    """Of real jobs in each kind of state; one answer at least for each operation."""
    told = (await api.get("openapi.json")).body
    asked: set[tuple[str, str]] = set()

    def check(method: str, template: str, answer) -> None:
        operation = told["paths"][f"/{template}"][method]
        content = operation["responses"][str(answer.status)]["content"]
        if "application/json" in content:
            jsonschema.Draft202012Validator(
                {**content["application/json"]["schema"], "components": told["components"]}
            ).validate(answer.body)
        asked.add((method, template))

    async def get(template: str, page: str = "", **query: Any) -> None:
        check("get", template, await api.get(page or template, **query))

    done = submit("print(1)\nx = 5", {}, name="done")
    failed = submit("1/0")
    for one in (done, failed):
        await ended(one)
    running = submit("import time; time.sleep(300)", cpus=2)
    waiting = submit("1", cpus=2)

    async def begun():
        return (await api.get(f"jobs/{running.id}"))["state"] == "running"

    await until(begun)
    for template in ("status", "devices", "queue", "tasks", "fleet", "jobs", "changes", "doctor", "openapi.json"):
        await get(template)
    await get("devices/{device}/calibration", "devices/manila/calibration")
    for one in (done, failed, running, waiting):
        await get("jobs/{job}", f"jobs/{one.id}")
        for page in ("events", "outputs", "script", "detail", "trace", "trace/figure", "explain", "estimate"):
            await get(f"jobs/{{job}}/{page}", f"jobs/{one.id}/{page}")
    await get("jobs/{job}/logs", f"jobs/{done.id}/logs")
    await get("jobs/{job}/trace/beside/{other}", f"jobs/{done.id}/trace/beside/{running.id}")
    check("get", "jobs/{job}/archive", await api.send("GET", f"jobs/{done.id}/archive", raw=True))
    check("post", "jobs", await api.post("jobs", source="1"))
    check("post", "jobs", await api.post("jobs", source=""))
    check("post", "jobs/{job}/rerun", await api.post(f"jobs/{done.id}/rerun"))
    check("post", "jobs/{job}/{verb}", await api.post(f"jobs/{waiting.id}/hold"))
    check("post", "jobs/{job}/{verb}", await api.post(f"jobs/{done.id}/hold"))
    check("post", "tutorials", await api.post("tutorials"))
    check("post", "tutorials", await api.post("tutorials", path="../elsewhere"))
    check("post", "actions", await api.post("actions", verb="cancel", ids=[running.id, waiting.id]))
    assert asked == {(o.method, o.template) for o in OPERATIONS}


@pytest.mark.parametrize("page", ["nothing", "jobs/", "jobs/01kayt4w2-7qm3xd/nothing", "status/more"])
async def test_a_page_that_is_not_there_is_404_in_the_usual_shape(api, page):
    answer = await api.get(page)
    assert answer.status == 404
    assert answer["cause"]
    assert answer["message"]
