"""The store of calibration snapshots: by content, with a history, and whole in a job folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qhub_ext.errors import JobFolderError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.jobfolder.calibrations import CalibrationStore, pinned, read_document, read_pinned, read_snapshot
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.tiers import catalog


@pytest.fixture(scope="module")
def manila() -> Snapshot:
    return catalog.read_snapshot("manila")


def later(snapshot: Snapshot, moment: str) -> Snapshot:
    return replace(snapshot, taken_at=moment)


def test_a_snapshot_comes_back_as_it_went_in_with_the_document_it_was_read_from(
    tmp_path: Path, manila: Snapshot
) -> None:
    path = CalibrationStore(tmp_path).put(manila, lambda: {"properties": {"n": float("nan")}})
    assert read_snapshot(path).to_json() == manila.to_json()
    document = read_document(path)
    assert document is not None
    assert str(document["properties"]["n"]) == "nan"


def test_the_same_numbers_are_stored_once_and_the_document_is_asked_for_once(tmp_path: Path, manila: Snapshot) -> None:
    store, asked = CalibrationStore(tmp_path), []
    first = store.put(manila)
    assert read_document(first) is None
    for _ in range(3):
        again = store.put(replace(manila, source="elsewhere"), lambda: asked.append(1) or {"a": 1})
    assert again == first
    assert asked == [1]
    assert len(store.history("manila")) == 1


def test_the_history_of_a_device_is_in_the_order_of_its_own_dates(tmp_path: Path, manila: Snapshot) -> None:
    store = CalibrationStore(tmp_path)
    moments = ["2026-05-02T10:00:00Z", "2024-01-01T00:00:00Z", "2026-05-02T09:59:59Z"]
    for moment in moments:
        store.put(later(manila, moment))
    assert [entry.taken_at for entry in store.history("manila")] == sorted(moments)
    latest = store.latest("manila")
    assert latest is not None
    assert read_snapshot(latest.path).taken_at == max(moments)
    assert store.latest("kingston") is None


def test_what_a_virtual_qpu_made_of_a_device_is_kept_and_found_but_never_the_device_s_newest(
    tmp_path: Path, manila: Snapshot
) -> None:
    store = CalibrationStore(tmp_path)
    real = store.put(manila)
    made_up = replace(manila, taken_at="2026-11-01T00:00:00Z", synthetic=True)
    store.put(made_up, lambda: {"a": 1})
    latest = store.latest("manila")
    assert latest is not None
    assert latest.path == real
    assert [entry.simulated for entry in store.history("manila")] == [False, True]
    found = store.find(made_up.id)
    assert found is not None
    assert read_snapshot(found.path).synthetic
    assert read_document(found.path) == {"a": 1}


def test_a_snapshot_is_found_by_the_first_digits_of_its_id(tmp_path: Path, manila: Snapshot) -> None:
    store = CalibrationStore(tmp_path)
    path = store.put(manila)
    for words in (manila.id, manila.id[:19], manila.id.removeprefix("sha256:")[:6]):
        entry = store.find(words)
        assert entry is not None
        assert entry.path == path
        assert manila.id.startswith(entry.id)
    assert store.find("sha256:ffff") is None
    assert store.find("") is None


def test_a_name_that_would_leave_the_folder_stays_in_it(tmp_path: Path, manila: Snapshot) -> None:
    store = CalibrationStore(tmp_path)
    path = store.put(replace(manila, device="../../etc/device one"))
    assert store.path in path.parents
    assert store.devices() == ["../../etc/device one"]


def test_a_torn_and_a_changed_file_are_said_and_not_believed(tmp_path: Path, manila: Snapshot) -> None:
    path = CalibrationStore(tmp_path).put(manila)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JobFolderError, match="cannot be read"):
        read_snapshot(path)
    import gzip

    path.write_bytes(gzip.compress(gzip.decompress(whole).replace(b"manila", b"manile")))
    with pytest.raises(JobFolderError, match="changed after it was written"):
        read_snapshot(path)


def test_a_job_folder_alone_is_enough_to_read_what_was_pinned(tmp_path: Path, manila: Snapshot) -> None:
    store = CalibrationStore(tmp_path / "shelf")
    folder = JobFolder(tmp_path / "shelf" / "job")
    folder.path.mkdir(parents=True)
    path = store.put(manila, lambda: {"properties": {}})
    store.pin(path, folder)
    store.pin(path, folder)
    assert path.stat().st_nlink == 2  # no second copy on the disk
    elsewhere = JobFolder(Path(shutil.move(folder.path, tmp_path / "sent")))
    shutil.rmtree(tmp_path / "shelf")
    snapshot = read_pinned(elsewhere, manila.id)
    assert snapshot is not None
    assert snapshot.id == manila.id
    assert read_document(*pinned(elsewhere).values()) == {"properties": {}}
