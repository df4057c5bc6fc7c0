"""`calibration` beside its map: history, drift, what a job ran under, a vendor's file in and out."""

from __future__ import annotations

import json
from pathlib import Path

from qhub_ext.tiers import catalog
from tests.front.conftest import Notebook, Place


def target(folder: Path, moment: str, factor: float) -> Path:
    properties = json.loads(json.dumps(catalog.read_properties("manila")))
    for gate in properties["gates"]:
        for parameter in gate["parameters"]:
            if parameter["name"] == "gate_error" and len(gate["qubits"]) == 2:
                parameter["value"] *= factor
    properties["last_update_date"] = moment
    path = folder / f"target-{factor}.json"
    path.write_text(json.dumps({"configuration": catalog.read_configuration("manila"), "properties": properties}))
    return path


def test_a_file_comes_in_shows_in_the_history_drifts_against_the_one_before_and_goes_out(
    place: Place, tmp_path: Path
) -> None:
    file = target(tmp_path, "2026-08-01T12:00:00+00:00", 4.0)
    told = place.command("calibration", "manila", "--import", str(file))
    assert "of manila, 5 qubits, taken 2026-08-01T12:00:00Z" in told
    history = json.loads(place.command("calibration", "manila", "--history", "--json"))
    assert [row["calibrated_at"] for row in history] == ["2024-05-27T18:27:23Z", "2026-08-01T12:00:00Z"]
    drift = place.command("calibration", "manila", "--drift")
    assert "×4.00 worse" in drift
    facts = json.loads(place.command("calibration", "manila", "--drift", history[0]["snapshot"][:8], "--json"))
    assert facts["quantities"]["two_qubit_error"]["moved"] == 4
    assert facts["quantities"]["t1_s"]["moved"] == 0
    out = tmp_path / "out.json"
    place.command("calibration", "manila", "--export", str(out))
    assert json.loads(out.read_text()) == json.loads(file.read_text())


def test_what_a_file_holds_beside_a_calibration_is_named(place: Place, tmp_path: Path) -> None:
    file = target(tmp_path, "2026-08-02T12:00:00+00:00", 1.5)
    document = json.loads(file.read_text())
    document["properties"]["qubits"][0][0]["unit"] = "furlong"
    file.write_text(json.dumps(document))
    told = place.command("calibration", "our_device", "--import", str(file))
    assert "not read: qubits[0].T1: the unit 'furlong' is not known." in told
    assert "our_device" in place.command("calibration", "our_device")
    assert "our_device" in place.command("devices")
    assert "odd.json cannot be read" in place.command(
        "calibration", "our_device", "--import", str(tmp_path / "odd.json"), code=2
    )


def test_two_questions_at_once_are_refused(place: Place) -> None:
    assert "are two questions" in place.command("calibration", "manila", "--history", "--refresh", code=2)


CELL = """%%qpu --tier emulation --device manila --as job --wait
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
pair = QuantumCircuit(2)
pair.h(0)
pair.cx(0, 1)
pair.measure_all()
Sampler().run([transpile(pair, backend(), seed_transpiler=1)], shots=100).result()"""


def test_what_a_job_saw_is_shown_with_the_places_that_it_used_and_as_a_frame(notebook: Notebook) -> None:
    notebook.run(CELL)
    shown = notebook.run("page = %qpu calibration --job -1\npage").plain
    identity = catalog.read_snapshot("manila").id.removeprefix("sha256:")[:12]
    assert f"at submission              {identity}" in shown
    assert f"at the first quantum call  {identity}" in shown
    assert "sampler" in shown
    assert "manila · 5 qubits" in shown
    assert "uses 2 qubits" in shown
    assert "DataFrame" in notebook.run("type(page.frame).__name__").plain
    assert "(1, " in notebook.run("page.frame.shape").plain
