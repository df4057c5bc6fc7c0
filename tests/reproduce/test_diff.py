"""The difference between two jobs is a table, with the most probable reason first; a job is verified by running it again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.capture.command import parse_words
from qhub_ext.capture.options import OPTIONS
from qhub_ext.diagnosis.results import Result
from qhub_ext.job.identity import new_job_id
from qhub_ext.job.state import State
from qhub_ext.jobdiff import diff_jobs, probable_reason
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.reproduce.difference import DRAW, Part
from tests.front.conftest import Place

CELL = """
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import SparsePauliOp
from qhub_ext import Estimator, Sampler, backend
circuit = QuantumCircuit(2)
circuit.h(0); circuit.cx(0, 1)
isa = transpile(circuit, backend(), seed_transpiler=1)
result = Estimator().run([(isa, SparsePauliOp(["ZI", "XX"], [0.5, 0.25]).apply_layout(isa.layout))]).result()
energy = float(result[0].data.evs) + 0.7
counts = Sampler().run([transpile(circuit.measure_all(inplace=False), backend(), seed_transpiler=1)]).result()[0].data.meas.get_counts()
del isa
"""


def submit(place: Place, *words: str, cell: str = CELL) -> str:
    request, _ = parse_words(["--shots=2000", *words], None, OPTIONS)
    job = place.service.submit(place.service.draft(request, cell))
    job.wait(120)
    return job.id


@pytest.fixture(scope="module")
def job(place: Place) -> str:
    """With a seed, as chance alone has one of a hundred pairs differ beyond shot noise."""
    return submit(place, "--tier=emulation", "--seed=1")


@pytest.fixture(scope="module")
def again(place: Place, job: str) -> str:
    """The same with other seeds."""
    return submit(place, "--tier=emulation", "--seed=2")


def twin(place: Place, job: str, **spec: Any) -> JobFolder:
    """A copy of a job on the same shelf, for what a test wants to be different in it."""
    source, new = place.service.job(job).folder, new_job_id()
    folder = JobFolder(source.path.with_name(new))
    shutil.copytree(source.path, folder.path)
    folder.spec.write_text(json.dumps(json.loads(source.spec.read_text()) | {"id": new, **spec}))
    return folder


def diff(place: Place, first: str, second: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(json.dumps(diff_jobs(place.service.job(first), place.service.job(second)).facts))
    return facts


def parts(facts: dict[str, Any]) -> list[str]:
    return [part["name"] for part in facts["differences"]]


def test_a_job_is_verified_by_running_it_again(place: Place, job: str) -> None:
    told = place.command("verify", job)
    assert "is confirmed by" in told
    assert "identical results" in told
    drawn = submit(place, cell="import random\nx = random.random()")
    assert "`x` differs (no test is known for its kind). Nothing that is recorded explains it" in place.command(
        "verify", drawn, code=1
    )


def test_a_job_that_brings_nothing_back_is_not_said_to_be_confirmed(place: Place) -> None:
    silent = submit(place, cell="print(1)")
    told = place.command("verify", silent)
    assert "that is all that can be said: no result came back to compare." in told
    assert "confirmed" not in told


def test_parameters_circuits_and_functions_that_a_cell_makes_anew_confirm_it(place: Place) -> None:
    lines = [
        "circuit = QuantumCircuit(1)",
        "theta = Parameter('θ')",
        "circuit.rx(theta, 0)",
        "def energy(x): return 2 * x",
    ]
    cell = "from qiskit import QuantumCircuit\nfrom qiskit.circuit import Parameter\n" + "\n".join(lines)
    assert "identical results" in place.command("verify", submit(place, cell=cell))


def test_other_seeds_are_shot_noise_of_counts_and_of_estimated_values(place: Place, job: str, again: str) -> None:
    facts = diff(place, job, again)
    found = {r["name"]: (r["verdict"], r["kind"]) for r in facts["results"]}
    noise = {
        "counts": ("explained", "counts"),
        "energy": ("explained", "estimate"),
        "result": ("explained", "estimate"),
    }
    assert found == {**noise, "circuit": ("identical", "")}
    assert "No result differs beyond shot noise. Their shots were drawn with different seeds." in facts["reason"]
    assert "standard errors of the difference" in place.command("diff", job, again)
    assert not {"cell", "inputs", "packages", "snapshot", "circuits"} & set(parts(facts))


def test_another_cell_is_the_first_reason_and_is_shown_line_by_line(place: Place, job: str) -> None:
    other = submit(place, "--tier=emulation", cell=CELL.replace("circuit.h(0)", "circuit.x(0)"))
    facts = diff(place, job, other)
    assert {r["name"]: r["verdict"] for r in facts["results"]} == {
        "counts": "beyond", "energy": "beyond", "result": "beyond", "circuit": "differs",
    }  # fmt: skip
    assert facts["reason"].startswith("`counts` differs beyond what the shots explain. The cells differ in 2 lines.")
    told = place.command("diff", job, other)
    assert "-circuit.h(0); circuit.cx" in told
    assert "+circuit.x(0); circuit.cx" in told
    assert "The same in both:" in told


def test_tier_device_and_a_layout_that_was_drawn_are_told_apart(place: Place, job: str) -> None:
    tiers = diff(place, job, submit(place, "--tier=local"))
    assert "tier" in parts(tiers)
    device = diff(place, job, twin(place, job, device="fez").id)
    assert parts(device)[0] == "device"
    assert device["differences"][0]["sentence"] == "One ran for kingston, the other for fez."
    folder = twin(place, job)
    for path in folder.attempt(1).tasks.glob("0*.json"):
        task = json.loads(path.read_text())
        task["pubs"][0]["fingerprint"], task["active_qubits"] = "f" * 32, [70, 71]
        path.write_text(json.dumps(task))
    (circuits,) = [part for part in diff(place, job, folder.id)["differences"] if part["name"] == "circuits"]
    assert "transpiling drew another layout" in circuits["sentence"]


def test_what_moved_on_the_qubits_that_were_used_is_named(place: Place, job: str, again: str) -> None:
    from qhub_ext.jobfolder.calibrations import CalibrationStore, pinned, read_document, read_pinned
    from qhub_ext.tiers.snapshots import parse_ibm_properties

    folder = twin(place, again)
    other = folder.id
    (path,) = pinned(folder).values()
    task_file = next(folder.attempt(1).tasks.glob("0001.json"))
    task = json.loads(task_file.read_text())
    document = json.loads(json.dumps(read_document(path)))
    qubit = task["active_qubits"][0]
    for value in document["properties"]["qubits"][qubit]:
        if value["name"] == "readout_error":
            value["value"] *= 8
    before = read_pinned(folder, task["snapshot"]["id"])
    assert before is not None
    changed = parse_ibm_properties(
        document["properties"], document["configuration"], device="kingston", source=before.source
    )
    store = CalibrationStore(place.path / "elsewhere")
    store.pin(store.put(changed, lambda: document), folder)
    task["snapshot"]["id"] = changed.id
    task_file.write_text(json.dumps(task))
    facts = diff(place, job, other)
    (snapshot,) = [part for part in facts["differences"] if part["name"] == "snapshot"]
    assert snapshot["rows"][1][0] == f"readout_error of q{qubit}"
    assert "1 value moved on the" in snapshot["sentence"]
    task["pubs"][0]["fingerprint"] = "f" * 64
    task_file.write_text(json.dumps(task))
    (circuits,) = [part for part in diff(place, job, other)["differences"] if part["name"] == "circuits"]
    assert "calibrated in between" in circuits["sentence"]


def test_versions_of_packages_where_they_ran_are_in_the_table(place: Place, job: str, again: str) -> None:
    folder = twin(place, again)
    file = folder.attempt(1).runtime
    ran = json.loads(file.read_text())
    ran["packages"]["qiskit-aer"] = "0.1"
    file.write_text(json.dumps(ran))
    facts = diff(place, job, folder.id)
    assert any(part["name"] == "packages" and "qiskit-aer" in part["rows"][0][0] for part in facts["differences"])


def test_a_pair_that_cannot_be_compared_is_said(place: Place, job: str) -> None:
    assert "twice" in place.command("diff", job, job, code=2)
    array = submit(place, "--sweep=theta=0,1", cell="x = theta")
    assert "is an array" in place.command("diff", job, array, code=2)
    elements = diff(place, f"{array}.0", f"{array}.1")
    assert elements["reason"].startswith(
        "`x` differs (no test is known for its kind). The values differ that came along: theta."
    )


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def rows(facts: dict[str, Any], name: str) -> dict[str, tuple[str, str]]:
    (part,) = [part for part in facts["differences"] if part["name"] == name]
    return {what: (one, other) for what, one, other in part["rows"]}


def test_values_that_came_along_are_told_by_name_also_where_only_their_content_differs(place: Place) -> None:
    def submitted(**values: Any) -> str:
        request, _ = parse_words([], None, OPTIONS)
        job = place.service.submit(place.service.draft(request, "x = [len(angles), shift]", values))
        job.wait(120)
        return job.id

    first, second = submitted(angles=[1.0, 2.0], shift=1), submitted(angles=[1.0, 3.0], shift=2)
    facts = diff(place, first, second)
    assert "The values differ that came along: angles, shift." in facts["reason"]
    found = rows(facts, "inputs")
    assert found["shift"] == ("int 1", "int 2")
    assert found["angles"][1] == f"{found['angles'][0]} (other content)"
    assert "cell" not in parts(facts)


def test_options_of_the_job_and_of_its_tasks_are_told_and_fewer_shots_explain_no_more_than_noise(
    place: Place, job: str, again: str
) -> None:
    folder = twin(place, again, shots=1000, kind="script", arguments=["--x"])
    for path in folder.attempt(1).tasks.glob("0002.json"):
        edit(path, lambda task: task["options"].update(dynamical_decoupling={"enable": True}))
    facts = diff(place, job, folder.id)
    found = rows(facts, "options")
    assert found["shots"] == ("2000", "1000")
    assert found["arguments"] == ("–", "--x")
    assert found["kind"] == ("cell", "script")
    assert found["task 2: dynamical_decoupling"] == ("–", "{'enable': True}")
    (fewer,) = [p for p in diff(place, job, twin(place, again, shots=1000).id)["differences"] if p["name"] == "options"]
    assert fewer["rows"] == [["shots", "2000", "1000"]]
    assert fewer["weight"] == DRAW
    assert "Options differ: shots." in fewer["sentence"]


def test_another_method_is_told_as_one_that_draws_other_shots(place: Place, job: str, again: str) -> None:
    folder = twin(place, again)
    for path in folder.attempt(1).tasks.glob("0*.json"):
        edit(path, lambda task: [one.update(method="matrix_product_state") for one in task["methods"]])
    facts = diff(place, job, folder.id)
    assert rows(facts, "method")["method"][1] == "matrix_product_state"
    (part,) = [part for part in facts["differences"] if part["name"] == "method"]
    assert part["sentence"].startswith("They were simulated by different methods")


def test_resources_and_times_are_told_and_explain_no_result(place: Place, job: str, again: str) -> None:
    folder = twin(
        place, again, time_s=7200, cpus=4, memory_mb=512, profile="test", site_options={"--constraint": "fat"}
    )
    edit(folder.attempt(1).outcome, lambda outcome: outcome.update(ended_at=outcome["ended_at"] + 600))
    facts = diff(place, job, folder.id)
    found = rows(facts, "resources")
    assert found["time_s"] == ("3600", "7200")
    assert {name: two[1] for name, two in found.items() if name != "time_s"} == {
        "cpus": "4",
        "memory_mb": "512",
        "profile": "test",
        "--constraint": "fat",
    }
    before, after = rows(facts, "times")["ran"]
    assert "min" in after
    assert after != before
    assert {p["weight"] for p in facts["differences"] if p["name"] in ("resources", "times")} == {0}


def test_the_place_is_told_down_to_libraries_gpus_and_image_and_explains_last_digits(
    place: Place, job: str, again: str
) -> None:
    folder = twin(place, again)

    def elsewhere(ran: dict[str, Any]) -> None:
        ran["host"], ran["modules"], ran["blas"] = "node7", ["gcc/13"], {**ran["blas"], "numpy": "libmkl_rt.so.2"}
        ran["machine"]["gpus"] = ["NVIDIA H200", "driver 570.1"]
        ran["container"] = {"engine": "apptainer", "image": "/images/qhub.sif", "digest": f"sha256:{'a' * 64}"}

    edit(folder.attempt(1).runtime, elsewhere)
    edit(folder.runtime, lambda captured: captured["environment"].update(OMP_NUM_THREADS="17"))
    facts = diff(place, job, folder.id)
    found = rows(facts, "place")
    assert found["host"][1] == "node7"
    assert found["modules"] == ("–", "gcc/13")
    assert found["gpus"] == ("–", "NVIDIA H200, driver 570.1")
    assert found["container digest"] == ("–", f"sha256:{'a' * 64}")
    assert found["BLAS of numpy"][1] == "libmkl_rt.so.2"
    assert found["OMP_NUM_THREADS"][1] == "17"
    parts_found = [Part(**{**part, "rows": tuple(map(tuple, part["rows"]))}) for part in facts["differences"]]
    rounded = [Result("energy", "rounding", "")]
    told = probable_reason(rounded, parts_found, [State.COMPLETED] * 2)
    assert told == "The results are identical but for the last digits. Other libraries did the linear algebra."
