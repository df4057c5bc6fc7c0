"""A resource that is described wrongly: each slip has its own cause and words, and nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qhub_ext.errors import Cause, DeviceError
from qhub_ext.job import context
from qhub_ext.primitives import Sampler
from qhub_ext.settings import current_settings
from qhub_ext.tiers.findings import PreflightWarning
from qhub_ext.tiers.qpu import target
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import resource_for
from tests.ports import closed_port
from tests.qpu.conftest import VirtualQpu
from tests.qpu.own_resource import QCS, describe_resource

Describe = Callable[..., None]


@pytest.fixture
def described(qpu: VirtualQpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Describe]:
    """Describes the server as a resource of the site, with one thing changed."""

    def describe(kind: str = QCS, name: str = "kingston", **changed: str) -> None:
        describe_resource(tmp_path, name, {**qpu.config, **changed}, kind=kind, device="kingston")
        monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))

    try:
        with context.using(tier="qpu", device="kingston", shelf=tmp_path / "jobs"):
            yield describe
    finally:
        target._live.clear()


@pytest.mark.filterwarnings("ignore::qhub_ext.tiers.findings.PreflightWarning")
@pytest.mark.parametrize(
    ("changed", "cause", "words"),
    [
        ({"QRMI_IBM_QCS_ENDPOINT": "closed"}, Cause.INTEGRATION, "cannot be reached"),
        ({"QRMI_IBM_QCS_IAM_APIKEY": "wrong"}, Cause.INTEGRATION, "credentials"),
        ({"QRMI_IBM_QCS_ENDPOINT": "elsewhere"}, Cause.INTEGRATION, "not known"),
        ({"QRMI_IBM_QCS_IAM_ENDPOINT": ""}, Cause.INTEGRATION, "configured wrongly"),
        ({"kind": "ibm-quantum-system"}, Cause.INTEGRATION, "configured wrongly"),
        ({"name": "ibm_atlantis"}, Cause.INTEGRATION, "not known"),
    ],
)
def test_a_slip_in_the_configuration_ends_as_refused_with_its_own_words(
    qpu: VirtualQpu, described: Describe, bell: QuantumCircuit, changed: dict[str, str], cause: Cause, words: str
) -> None:
    if changed.get("QRMI_IBM_QCS_ENDPOINT") == "closed":
        changed = {"QRMI_IBM_QCS_ENDPOINT": f"http://127.0.0.1:{closed_port()}/api/v1"}
    elif changed.get("QRMI_IBM_QCS_ENDPOINT") == "elsewhere":
        changed = {"QRMI_IBM_QCS_ENDPOINT": f"{qpu.url}/api/v7"}
    described(**changed)
    before = len(qpu.tasks())
    steps: list[dict[str, Any]] = []
    began = time.monotonic()
    with context.using(announce=steps.append), pytest.raises(DeviceError) as caught:
        Sampler().run([bell], shots=10).result()
    assert caught.value.cause is cause, caught.value
    assert words in caught.value.message
    assert caught.value.advice
    assert time.monotonic() - began < 3 * 30 + 60, "target and start have a deadline of 30 s each"
    assert len(qpu.tasks()) == before
    assert not steps or steps[-1]["state"] == "refused"


def test_a_device_whose_calibration_cannot_be_had_runs_with_a_warning(
    qpu: VirtualQpu, described: Describe, bell: QuantumCircuit
) -> None:
    described()
    qpu.fault("null_target")
    with pytest.warns(PreflightWarning, match="The present calibration of kingston cannot be had"):
        job = Sampler().run([bell], shots=10)
    assert sum(job.result()[0].data.meas.get_counts().values()) == 10


def test_a_session_that_has_ended_is_said_and_no_task_is_left(
    qpu: VirtualQpu, described: Describe, bell: QuantumCircuit
) -> None:
    described(QRMI_IBM_QCS_SESSION_ID="an-old-one")
    before = len(qpu.tasks())
    with pytest.raises(DeviceError, match="session") as caught:
        Sampler().run([bell], shots=10).result()
    assert caught.value.cause is Cause.INTEGRATION
    assert caught.value.advice
    assert len(qpu.tasks()) == before


def test_a_session_that_expires_between_two_tasks_ends_the_second_and_is_sent_nothing_more(
    qpu: VirtualQpu, described: Describe, bell: QuantumCircuit
) -> None:
    described()
    resource = resource_for("kingston", current_settings().qpu)
    assert resource is not None
    process = ResourceProcess(resource)
    token = process.call("acquire", deadline_s=60)
    process.close()
    described(QRMI_JOB_ACQUISITION_TOKEN=token)  # as a prologue of the site tells it
    assert sum(Sampler().run([bell], shots=10).result()[0].data.meas.get_counts().values()) == 10
    before = qpu.tasks()
    qpu.fault("session_expired")
    steps: list[dict[str, Any]] = []
    with context.using(announce=steps.append), pytest.raises(DeviceError, match="session") as caught:
        Sampler().run([bell], shots=10).result()
    assert caught.value.cause is Cause.INTEGRATION
    assert caught.value.advice
    assert steps[-1]["state"] == "refused"
    assert len(qpu.tasks()) == len(before)
