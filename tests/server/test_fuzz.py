"""The OpenAPI document against a real server process: whatever fits the document, and much that does not, has an answer that
the document knows, and never a 500.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks as c
from schemathesis.specs.openapi import checks as o

from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.server.openapi import OPERATIONS
from qhub_ext.settings import EmbeddedSettings, Settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.benchmarks.bench_listing import finished_job
from tests.server.process import TOKEN, server
from tests.sites.workshop import Workshop, sweep_up

EXAMPLES = 12
CHECKS = (c.not_a_server_error, o.status_code_conformance, o.content_type_conformance, o.response_schema_conformance)


@dataclass(frozen=True)
class Target:
    schema: Any
    jobs: list[str]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    path = tmp_path_factory.mktemp("fuzz")
    for number in range(3):
        finished_job(path / "jobs", number, time.time())
    jobs = sorted(os.listdir(path / "jobs"))
    try:
        with server(path) as one:
            told = one.get("qhub_ext/openapi.json")
            schema = schemathesis.openapi.from_dict(told)
            schema.config.update(base_url=f"{one.url}qhub_ext")
            yield Target(schema, jobs)
    finally:
        embedded = Settings(shelf=path / "jobs", embedded=EmbeddedSettings(directory=path / "site"))
        shelf = Shelf(embedded.shelf)
        sweep_up(Workshop(embedded, EmbeddedSite(embedded), [shelf.folder(job_id) for job_id in shelf.ids()]))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.template}")
@pytest.mark.parametrize("fits", [True, False], ids=["fits", "does not fit"])
def test_whatever_is_sent_has_an_answer_that_the_document_knows(target, operation, fits):
    found = target.schema[f"/{operation.template}"][operation.method.upper()]
    mode = schemathesis.GenerationMode.POSITIVE if fits else schemathesis.GenerationMode.NEGATIVE
    numbers = iter(range(10**9))

    @given(case=found.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        if "job" in (case.path_parameters or {}) and next(numbers) % 2:
            case.path_parameters["job"] = target.jobs[0]  # half of them are there
        case.call_and_validate(headers={"Authorization": f"token {TOKEN}"}, checks=CHECKS, timeout=120)

    ask()
