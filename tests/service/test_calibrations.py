"""A vendor's file in and out of the store, and what a job ran under."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qhub_ext.errors import InvalidOptionError, UnknownNameError, UserError
from qhub_ext.jobfolder.calibrations import CalibrationStore
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.service.calibrations import (
    calibration_of,
    export_document,
    history,
    import_document,
    snapshot_of,
)
from qhub_ext.tiers import catalog
from tests.runner.conftest import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.close()


def manila_file(tmp_path: Path, moment: str = "2026-06-01T00:00:00+00:00") -> Path:
    document = {
        "configuration": catalog.read_configuration("manila"),
        "properties": {**catalog.read_properties("manila"), "last_update_date": moment},
    }
    path = tmp_path / "target.json"
    path.write_text(json.dumps(document))
    return path


def test_a_file_that_is_imported_becomes_the_newest_snapshot_and_is_exported_as_it_came(tmp_path: Path) -> None:
    shelf = tmp_path / "jobs"
    before = snapshot_of("manila", shelf)
    file = manila_file(tmp_path)
    imported = import_document(file, "ibmq_manila", shelf)
    assert imported.unread == ()
    assert snapshot_of("manila", shelf).id == imported.snapshot.id != before.id
    out = tmp_path / "out.json"
    export_document("manila", out, shelf)
    assert json.loads(out.read_text()) == json.loads(file.read_text())
    assert [e.taken_at for e in history("manila", shelf)] == ["2024-05-27T18:27:23Z", "2026-06-01T00:00:00Z"]
    assert snapshot_of("manila", shelf, before.id[:14]).id == before.id


def test_a_device_that_no_catalog_knows_is_imported_under_its_own_name(tmp_path: Path) -> None:
    imported = import_document(manila_file(tmp_path), "our_qpu", tmp_path / "jobs")
    assert imported.snapshot.device == "our_qpu"
    assert snapshot_of("our_qpu", tmp_path / "jobs").qubits == 5
    with pytest.raises(UnknownNameError, match="their_qpu"):
        snapshot_of("their_qpu", tmp_path / "jobs")


def test_the_installed_package_s_snapshot_is_exported_and_comes_back_the_same(tmp_path: Path) -> None:
    out = tmp_path / "kingston.json"
    exported = export_document("kingston", out, tmp_path / "jobs")
    assert import_document(out, "kingston", tmp_path / "jobs").snapshot.id == exported.id


@pytest.mark.parametrize(
    ("text", "kind"), [("{", UserError), ("[1]", InvalidOptionError), ('{"a": 1}', InvalidOptionError)]
)
def test_a_file_that_is_no_target_is_refused_by_its_name(tmp_path: Path, text: str, kind: type[Exception]) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(kind, match=r"odd\.json"):
        import_document(path, "kingston", tmp_path / "jobs")


CELL = """
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend

bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
isa = generate_preset_pass_manager(1, backend=backend(), seed_transpiler=1).run(bell)
for _ in range(2):
    Sampler().run([isa], shots=100).result()
"""


@pytest.mark.slow
def test_a_job_folder_alone_tells_under_which_calibration_each_task_ran_and_on_which_qubits(
    workshop: Workshop, tmp_path: Path
) -> None:
    run = workshop.run(workshop.folder(CELL, tier="emulation", device="manila"))
    assert run.outcome["state"] == "completed", run.console
    (tmp_path / "sent").mkdir()
    folder = JobFolder(Path(shutil.move(run.folder.path, tmp_path / "sent" / run.folder.id)))
    shutil.rmtree(CalibrationStore(tmp_path).path)
    found = calibration_of(folder, Shelf(tmp_path / "sent", tmp_path / "cache").record(folder.id))
    manila = catalog.read_snapshot("manila")
    assert found.at_start == manila.id
    assert [task.snapshots for task in found.tasks] == [(manila.id,), (manila.id,)]
    assert all(len(task.qubits) == 2 for task in found.tasks)
    assert list(found.snapshots) == [manila.id]
    assert found.missing == ()
    assert not found.changed
    changed = replace(found, at_submission="sha256:" + "0" * 64)
    assert changed.changed
