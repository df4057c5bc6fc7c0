"""Work as people bring it, at true size, from one text on all three tiers: each result lies within the bound that its file states."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.capture.keywords import request_from_keywords
from qhub_ext.job.context import TIERS
from qhub_ext.service.job import Job
from tests.front.conftest import set_up_place
from tests.notebooks.execution import NOTEBOOKS

FILES = sorted((NOTEBOOKS / "workflows").glob("*.py"))
FEW_SHOTS = {"qaoa_maxcut": 16, "ising_trotter": 32}
"""Noise on so many qubits is simulated shot by shot."""
OTHER_DEVICES = {"pulser_adiabatic": "FRESNEL"}
SPEED = 1000


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Job]]:
    """All of them at one site, which runs two at a time."""
    path = tmp_path_factory.mktemp("workflows")
    with set_up_place(path, QHUB_QPU_VIRTUAL_SPEED=str(SPEED)) as place, pytest.MonkeyPatch.context() as patch:
        for name in place.environment.keys() - os.environ.keys():
            patch.setenv(
                name, place.environment[name]
            )  # a job has the environment of the process that brings up the site
        service = place.service
        submitted = {}
        for file in FILES:
            for tier in TIERS:
                options = {"tier": tier, "device": OTHER_DEVICES.get(file.stem, "kingston"), "seed": 7}
                if file.stem in FEW_SHOTS:
                    options["shots"] = FEW_SHOTS[file.stem]
                request = request_from_keywords(options)
                draft = service.draft(request, file.read_text(), kind="script", file=str(file))
                submitted[file.stem, tier] = service.submit(draft)
        yield submitted


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_workflow_gives_what_is_known_within_the_bound_that_it_states(
    jobs: dict[tuple[str, str], Job], name: str, tier: str
) -> None:
    job = jobs[name, tier]
    job.wait(850)
    assert job.state == "completed", f"{job.explain()}\n{job.logs()}"
    values, references = job["value"], job["reference"]
    if not isinstance(values, list):
        values, references = [values], [references]
    bound = job["bounds"][tier]
    assert all(abs(value - known) <= bound for value, known in zip(values, references, strict=True)), job.logs()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_says_what_it_is_how_it_is_run_and_what_it_is_held_to(file: Path) -> None:
    text = file.read_text()
    head = text.split('"""')[1]
    assert f"qhub run {file.name} --tier " in head
    assert "Reference:" in head
    assert "\nbounds = {" in text
    assert text.count("print(") >= 1
