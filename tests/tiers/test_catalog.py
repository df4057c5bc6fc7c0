from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qhub_ext.errors import UnknownNameError
from qhub_ext.tiers import catalog


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weird \" 'path")


@pytest.fixture(autouse=True)
def own_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of whoever runs the tests may know devices of a site."""
    monkeypatch.setenv("QHUB_SHELF", str(tmp_path / "jobs"))


def test_every_snapshot_of_the_package_is_listed(cache: Path):
    devices = catalog.list_devices(cache)
    root = Path(catalog._files()["kingston"].properties).parent.parent
    assert {d.name for d in devices} == {p.parent.name for p in root.glob("*/conf_*.json")}
    assert len(devices) > 60


def test_listing_imports_nothing_heavy(cache: Path):
    code = (
        "import sys, pathlib; from qhub_ext.tiers import catalog; "
        "assert catalog.list_devices(pathlib.Path(sys.argv[1])); "
        "heavy = {'qiskit', 'qiskit_aer', 'numpy', 'pandas', 'qiskit_ibm_runtime'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(cache)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kingston_is_told_without_its_dead_edges(cache: Path):
    kingston = catalog.describe("kingston")
    assert (kingston.qubits, kingston.family, kingston.max_shots) == (156, "Heron", 100_000)
    assert kingston.snapshot_at.endswith("Z")
    assert kingston.rep_delay_s == pytest.approx(250e-6)
    assert kingston.dead_edges
    assert kingston.left_out["two_qubit_error"]["dead"] == len(kingston.dead_edges)
    assert kingston.medians["two_qubit_error"] < 0.01
    assert 1e-5 < kingston.medians["t1_s"] < 1e-2


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("kingston", "kingston"),
        ("ibm_kingston", "kingston"),
        ("fake_kingston", "kingston"),
        ("FakeKingston", "kingston"),
        ("FAKE-KINGSTON", "kingston"),
        ("Kingston", "kingston"),
        (" ibm_kingston ", "kingston"),
        ("garnet", "garnet"),
        (" Garnet", "garnet"),
        ("fresnel", "FRESNEL"),
        ("FakeHanoiV2", "hanoi"),
        ("hanoi_v2", "hanoi"),
        ("fake_manila_v2", "manila"),
        ("FakeFractionalBackend", "fractional"),
        ("ibmqx2", "yorktown"),
        ("ibmq_16_melbourne", "melbourne"),
    ],
)
def test_a_device_answers_to_its_names(name: str, device: str):
    assert catalog.resolve(name) == device


def test_every_device_answers_to_the_name_of_its_class():
    pytest.importorskip("qiskit_ibm_runtime")
    from qiskit_ibm_runtime.fake_provider import backends

    classes = [name for name in vars(backends) if name.startswith("Fake")]
    assert {catalog.resolve(name) for name in classes} == set(catalog.packaged_names())


def test_an_unknown_device_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no device 'kingstn'.*'kingston'"):
        catalog.resolve("kingstn")


def test_a_cache_gives_back_what_was_listed(cache: Path):
    assert catalog.list_devices(cache) == catalog.list_devices(cache)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Devices that a package would have: all of them take seconds to read."""
    names = ["brisbane", "kingston", "manila"]
    some = {name: catalog._files()[name] for name in names}
    monkeypatch.setattr(catalog, "_files", lambda: some)
    return names


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"key": 1}', "null", '{"key": null, "devices": [{}]}'])
def test_a_torn_cache_is_rebuilt(tmp_path: Path, torn: str, few: list[str]):
    cache = tmp_path / "devices.json"
    cache.write_text(torn)
    assert [device.name for device in catalog.list_devices(tmp_path)] == few
    assert [device["name"] for device in json.loads(cache.read_text())["devices"]] == few


def test_a_cache_of_another_version_is_not_believed(tmp_path: Path, few: list[str]):
    cache = tmp_path / "devices.json"
    catalog.list_devices(tmp_path)
    record = json.loads(cache.read_text())
    record["key"]["package"] = "qiskit-ibm-runtime 0.0.1"
    record["devices"] = record["devices"][:1]
    cache.write_text(json.dumps(record))
    assert [device.name for device in catalog.list_devices(tmp_path)] == few


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, few: list[str]):
    (tmp_path / "file").write_text("")
    assert [device.name for device in catalog.list_devices(tmp_path / "file" / "below")] == few
