"""A real Jupyter server with the extension, on a shelf and an embedded site of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# its names, not as a plugin: the other tests of the same run keep their own ways
from pytest_jupyter.jupyter_server import *  # noqa: F403
from tornado.httpclient import HTTPClientError

from qhub_ext.service import Job, JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.sites.workshop import Workshop, sweep_up

T = Any


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobService]:
    """The service of a user with an empty shelf; the server under test has the same settings."""
    variables = {
        "QHUB_SHELF": str(tmp_path / "shelf with space"),
        "QHUB_EMBEDDED_DIRECTORY": str(tmp_path / "site"),
        "QHUB_EMBEDDED_CPUS": "2",
        "QHUB_EMBEDDED_WARM_KERNELS": "0",
        "QHUB_QPU_VIRTUAL_DIRECTORY": str(tmp_path / "virtual"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    service = JobService(load_settings(variables, []))
    yield service
    jobs = [service.job(i) for i in service.shelf.ids()]
    folders = [one.folder for job in jobs for one in (job, *job.elements)]
    sweep_up(Workshop(service.settings, EmbeddedSite(service.settings), folders))


@pytest.fixture
def jp_server_config(place: JobService) -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"qhub_ext": True, "jupyter_server_terminals": False},
            # every verb must ask who is calling
            "allow_unauthenticated_access": False,
        }
    }


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any

    def __getitem__(self, key: str) -> Any:
        return self.body[key]


class Api:
    """`await api.get("jobs", state="running")`; what is not 2xx comes back as an answer too."""

    def __init__(self, fetch: Callable[..., Awaitable[Any]]) -> None:
        self._fetch = fetch

    async def get(self, page: str, /, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return await self.send("GET", page, headers=headers, params=query)

    async def post(self, page: str, /, headers: dict[str, str] | None = None, **body: Any) -> Answer:
        return await self.send("POST", page, headers=headers, body=json.dumps(body))

    async def send(self, method: str, path: str, *, raw: bool = False, **options: Any) -> Answer:
        try:
            options = {"request_timeout": 120, **options}
            response = await self._fetch("qhub_ext", path, method=method, **options)
        except HTTPClientError as error:
            if error.response is None:
                raise
            response = error.response
        if raw:
            return Answer(response.code, response.body, response.headers)
        text = response.body.decode() if response.body else ""
        is_json = "json" in response.headers.get("Content-Type", "")
        return Answer(response.code, json.loads(text) if is_json and text else text, response.headers)


@pytest.fixture
def api(jp_fetch: Callable[..., Awaitable[Any]]) -> Api:
    return Api(jp_fetch)


async def until(question: Callable[[], Awaitable[T]], *, within_s: float = 120.0, what: str = "the condition") -> T:
    """The first true answer; the server goes on meanwhile."""
    deadline = time.monotonic() + within_s
    while True:
        answer = await question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {within_s:g} s")
        await asyncio.sleep(0.01)


@pytest.fixture
def submit(place: JobService) -> Callable[..., Job]:
    """A real job of the embedded site, as the notebook submits it."""

    def submit(cell: str, namespace: dict[str, Any] | None = None, **options: Any) -> Job:
        from qhub_ext.capture.request import Request

        return place.submit(place.draft(Request(**options), cell, namespace or {}))

    return submit


@pytest.fixture
def ended(api: Api, place: JobService) -> Callable[[Job], Awaitable[Answer]]:
    """The job as the server tells it, when it has ended and the site has let go of it."""

    async def ended(job: Job) -> Answer:
        async def look() -> Answer | None:
            answer = await api.get(f"jobs/{job.id}")
            assert answer.status == 200, answer
            return answer if answer["ended_at"] and not place.site().poll([job.id]) else None

        return await until(look, what=f"the end of {job.id}")

    return ended
