"""A job that completes with doubtful results says so in its outcome, and so on its card and in every listing."""

from __future__ import annotations

from qhub_ext.display.card import card_lines
from qhub_ext.jobfolder.outcome import read_record
from tests.runner.conftest import Workshop

OPTION = """
from qiskit import QuantumCircuit
from qhub_ext import Sampler
circuit = QuantumCircuit(1)
circuit.x(0)
circuit.measure_all()
Sampler(options={"dynamical_decoupling": {"enable": True}}).run([circuit], shots=10).result()
"""


def test_an_option_without_effect_is_told_where_the_job_is_shown(shared_workshop: Workshop):
    run = shared_workshop.run(OPTION)
    assert (run.outcome["state"], run.outcome["cause"]) == ("completed", None)
    assert "'dynamical_decoupling' has no effect" in run.outcome["message"]
    lines = card_lines(read_record(run.folder))
    assert ("look at", run.outcome["message"]) in lines
    assert ("try", "Leave it out, or choose a tier that honours it.") in lines


def test_a_value_that_did_not_come_back_is_told_once(shared_workshop: Workshop):
    run = shared_workshop.run("import threading\nlock = threading.Lock()")
    lines = [text for _, text in card_lines(read_record(run.folder))]
    assert sum("did not come back" in text for text in lines) == 1


def test_nothing_is_told_of_a_job_without_doubts(shared_workshop: Workshop):
    run = shared_workshop.run("x = 1")
    assert run.outcome["message"] == ""
    assert "look at" not in dict(card_lines(read_record(run.folder)))
