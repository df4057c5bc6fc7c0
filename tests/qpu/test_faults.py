"""Everything that a device or its service can do wrong, done by the virtual QPU: the right cause, in time, and no second task."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qhub_ext.errors import Cause, DeviceError, UncertainTaskError
from qhub_ext.job import context
from qhub_ext.primitives import Sampler
from qhub_ext.tiers.qpu import backend as tier
from tests.qpu.conftest import VirtualQpu
from tests.qpu.refusals import refused_at_the_start
from tests.waiting import wait_until

DEADLINE_S, PATIENCE_S = 8.0, 1.0
MOST_S = 3 * DEADLINE_S + PATIENCE_S + 60
"""A question is asked three times at most; the rest is for a machine that is busy. The stock client would wait for ever."""


@pytest.fixture
def steps(qpu: VirtualQpu, monkeypatch: pytest.MonkeyPatch, bell: QuantumCircuit) -> Any:
    seen: list[dict[str, Any]] = []
    with context.using(tier="qpu", device="kingston", announce=seen.append):
        Sampler().run([bell], shots=10).result()  # the machine is warm and the helper is up: deadlines are short here
        seen.clear()
        monkeypatch.setenv("QHUB_QPU_DEADLINE_S", str(DEADLINE_S))
        monkeypatch.setenv("QHUB_QPU_PATIENCE_S", str(PATIENCE_S))
        began = time.monotonic()
        yield seen
        assert time.monotonic() - began < MOST_S, "each fault ends within its deadline"


def fails(bell: QuantumCircuit) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        Sampler().run([bell], shots=100).result()
    return caught.value


@refused_at_the_start
def test_a_refusal_at_the_start_has_its_cause_and_leaves_no_task(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit, kind: str, cause: Cause, words: str
) -> None:
    before = len(qpu.tasks())
    qpu.fault(kind, where="/jobs", method="POST")
    error = fails(bell)
    assert error.cause is cause, error
    assert words in error.message
    assert "kingston" in error.message
    assert error.advice
    qpu.admin("DELETE")
    assert len(qpu.tasks()) == before
    # a service that failed inside may have made a task before it did: nobody can know
    assert steps[-1]["state"] == ("uncertain" if kind.startswith("5") else "refused")
    assert isinstance(error, UncertainTaskError) == kind.startswith("5")


def test_a_start_that_is_never_answered_is_uncertain_within_its_deadline_and_not_sent_again(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit
) -> None:
    before = len(qpu.tasks())
    qpu.fault("hang", where="/jobs", method="POST", times=1)
    error = fails(bell)
    assert isinstance(error, UncertainTaskError)
    assert error.cause is Cause.INTEGRATION
    assert "8 s" in error.message
    assert "not sent again" in error.advice
    assert steps[-1]["state"] == "uncertain"
    assert len(qpu.tasks()) == before


@pytest.mark.parametrize("kind", ["503", "hang", "slow", "cut"])
def test_a_question_that_stays_without_answer_is_asked_again(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit, kind: str
) -> None:
    before = len(qpu.tasks())
    qpu.fault(kind, where="/jobs/", method="GET", times=1)
    assert sum(Sampler().run([bell], shots=100).result()[0].data.meas.get_counts().values()) == 100
    assert len(qpu.tasks()) == before + 1


@pytest.mark.parametrize(
    ("kind", "cause", "words"),
    [
        ("429", Cause.QUEUE_POLICY, "too many requests"),
        ("503", Cause.DEVICE, "not available"),
        ("401", Cause.INTEGRATION, "credentials"),
    ],
)
def test_a_service_that_refuses_every_question_ends_the_job_and_leaves_the_task_to_be_asked_about(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit, kind: str, cause: Cause, words: str
) -> None:
    before = len(qpu.tasks())
    qpu.fault(kind, where="/jobs/", method="GET")
    error = fails(bell)
    assert error.cause is cause, error
    assert words in error.message
    assert error.advice
    assert steps[-1]["state"] == "queued", "nobody knows how it ended: `explain` asks later"
    assert steps[-1]["task"]
    qpu.admin("DELETE")
    assert len(qpu.tasks()) == before + 1


def test_a_helper_that_is_killed_while_its_task_runs_is_begun_anew_and_the_task_is_found(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit
) -> None:
    before = len(qpu.tasks())
    qpu.fault("paused")
    job = Sampler().run([bell], shots=100)
    wait_until(lambda: steps and steps[-1]["state"] == "queued", what="the task in the device's queue")
    (process,) = tier._processes.values()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    qpu.admin("DELETE")
    assert sum(job.result()[0].data.meas.get_counts().values()) == 100
    assert len(qpu.tasks()) == before + 1


def test_a_helper_that_is_killed_during_the_start_leaves_an_uncertain_task_and_none_is_sent_again(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit
) -> None:
    before = len(qpu.tasks())
    qpu.fault("slow", where="/jobs", method="POST", delay_s=6.0, times=1)
    job = Sampler().run([bell], shots=100)
    wait_until(lambda: steps and steps[-1]["state"] == "sending", what="the task on its way")
    (process,) = tier._processes.values()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(UncertainTaskError) as caught:
        job.result()
    assert caught.value.cause is Cause.INTEGRATION
    assert "not sent again" in caught.value.advice
    assert steps[-1]["state"] == "uncertain"
    assert len(qpu.tasks()) <= before + 1


def test_a_helper_that_died_before_the_start_costs_nothing(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit
) -> None:
    Sampler().run([bell], shots=100).result()
    before = len(qpu.tasks())
    (process,) = tier._processes.values()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: process.pid is None, what="the end of the helper")
    assert sum(Sampler().run([bell], shots=100).result()[0].data.meas.get_counts().values()) == 100
    assert (steps[-1]["state"], len(qpu.tasks())) == ("completed", before + 1)


def test_a_start_that_is_slow_and_still_within_its_deadline_is_one_task(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit
) -> None:
    before = len(qpu.tasks())
    qpu.fault("slow", where="/jobs", method="POST", delay_s=1.0, times=1)
    assert sum(Sampler().run([bell], shots=100).result()[0].data.meas.get_counts().values()) == 100
    assert (steps[-1]["state"], len(qpu.tasks())) == ("completed", before + 1)


def test_a_task_that_fails_says_the_device_s_own_reason(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit
) -> None:
    before = len(qpu.tasks())
    qpu.fault("failed_job", times=1)
    error = fails(bell)
    assert error.cause is Cause.DEVICE
    assert "Error code 6054" in error.message
    assert error.advice
    assert steps[-1]["state"] == "failed"
    assert len(qpu.tasks()) == before + 1


def test_a_result_that_does_not_decode_is_said_and_the_task_is_not_run_again(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit
) -> None:
    before = len(qpu.tasks())
    qpu.fault("bad_result", times=1)
    error = fails(bell)
    assert "cannot be decoded" in error.message
    assert "ask the site for its result" in error.advice
    assert (error.cause, steps[-1]["state"]) == (Cause.INTEGRATION, "completed")
    assert steps[-1]["task"] in error.message, "by which the site finds the result"
    assert len(qpu.tasks()) == before + 1


@pytest.mark.parametrize("kind", ["paused", "offline", "calibrating"])
def test_a_device_that_is_paused_keeps_its_tasks_and_goes_on(
    qpu: VirtualQpu, steps: list[dict[str, Any]], bell: QuantumCircuit, kind: str
) -> None:
    before = len(qpu.tasks())
    qpu.fault(kind)
    job = Sampler().run([bell], shots=100)
    wait_until(lambda: steps and steps[-1]["state"] == "queued", what="the task in the device's queue")
    qpu.admin("DELETE")
    assert sum(job.result()[0].data.meas.get_counts().values()) == 100
    assert steps[-1]["queued_s"] > 0
    assert len(qpu.tasks()) == before + 1
