from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import Column, GateTable, Snapshot, finite, spread
from qhub_ext.job.calibration_flags import flags_of
from qhub_ext.jobfolder.calibrations import CalibrationStore
from qhub_ext.tiers import catalog
from qhub_ext.tiers.calibration import known_snapshot
from qhub_ext.tiers.chart import coordinates
from qhub_ext.tiers.reading import to_utc
from qhub_ext.tiers.snapshots import parse_ibm_properties


def value(name: str, number: float | None, unit: str = "", at: str = "2026-04-15T09:15:15+02:00") -> dict[str, object]:
    return {"name": name, "value": number, "unit": unit, "date": at}


def cz(a: int, b: int, error: float | None) -> dict[str, object]:
    parameters = [value("gate_length", 68, "ns")] + ([] if error is None else [value("gate_error", error)])
    return {"gate": "cz", "qubits": [a, b], "name": f"cz{a}_{b}", "parameters": parameters}


def snapshot() -> Snapshot:
    qubits = [
        [value("T1", 100, "us"), value("T2", 300, "µs"), value("readout_error", 0.01)],
        [value("T1", 200, "us"), value("T2", 50, "us"), value("readout_error", 1.0)],
        [value("T2", 70, "us"), value("frequency", 5.1, "GHz"), value("readout_error", math.nan)],
        [value("T1", None, "us"), value("readout_length", 700, "ns"), value("readout_error", 0.03)],
    ]
    gates = [cz(0, 1, 0.002), cz(1, 0, 0.002), cz(1, 2, 1.0), cz(2, 1, 1.0), cz(2, 3, None)]
    properties = {"last_update_date": "2026-04-15T09:15:15+02:00", "qubits": qubits, "gates": gates}
    configuration = {"n_qubits": 4, "basis_gates": ["cz", "sx"], "backend_name": "ibm_pretend"}
    return parse_ibm_properties(properties, configuration, device="pretend", source="a test")


def test_units_become_si_and_moments_become_utc():
    taken = snapshot()
    assert taken.taken_at == "2026-04-15T07:15:15Z"
    assert taken.column("t1_s")[0] == pytest.approx(100e-6)
    assert taken.column("t2_s")[0] == pytest.approx(300e-6)
    assert taken.column("frequency_hz")[2] == pytest.approx(5.1e9)
    assert taken.column("readout_length_s")[3] == pytest.approx(700e-9)
    assert taken.column("t1_s").at[0] == "2026-04-15T07:15:15Z"
    assert to_utc("2021-03-15T00:40:24") == "2021-03-15T00:40:24Z"


def test_dead_and_null_are_told_apart_and_left_out_of_medians():
    medians = snapshot().medians()
    assert medians["two_qubit_error"].to_json() == {"median": 0.002, "measured": 1, "dead": 1, "null": 1}
    assert medians["readout_error"].to_json() == {"median": pytest.approx(0.02), "measured": 2, "dead": 1, "null": 1}
    assert snapshot().dead_edges == ((1, 2),)


def test_flags_name_what_cannot_be():
    flags = {flag.kind: flag.qubits for flag in flags_of(snapshot())}
    assert flags["t2-above-2t1"] == (0,)
    assert flags["t1-null"] == (2, 3)
    assert flags["dead-edges"] == (1, 2)
    assert flags["readout-null"] == (2,)
    assert flags["edges-null"] == (2, 3)
    assert "stale" not in flags


def test_values_that_were_measured_long_before_the_rest_are_flagged_as_stale():
    old = "2026-04-12T00:00:00Z"
    taken = snapshot()
    t1 = taken.column("t1_s")
    cz = taken.gates["cz"]
    aged = replace(
        taken,
        columns=taken.columns | {"t1_s": replace(t1, at=(t1.at[0], old, *t1.at[2:]))},
        gates=taken.gates | {"cz": replace(cz, error=replace(cz.error, at=(old, *cz.error.at[1:])))},
    )
    (flag,) = [flag for flag in flags_of(aged) if flag.kind == "stale"]
    assert flag.qubits == (0, 1)
    assert flag.sentence == "2 of 4 qubits have values that were measured more than 2 days before the rest."
    off = replace(cz.error, at=(*cz.error.at[:2], old, old, *cz.error.at[4:]))
    dead = replace(taken, gates=taken.gates | {"cz": replace(cz, error=off)})
    assert "stale" not in {flag.kind for flag in flags_of(dead)}, "nobody measures a gate that is off"


def test_a_snapshot_survives_json_with_its_id():
    taken = snapshot()
    text = json.dumps(taken.to_json(), allow_nan=False)
    back = Snapshot.from_json(json.loads(text))
    assert back == taken
    assert back.id == taken.id


def test_a_changed_snapshot_is_refused():
    record = snapshot().to_json()
    record["qubits"]["t1_s"]["values"][0] = 1.0
    with pytest.raises(InvalidOptionError, match="changed after"):
        Snapshot.from_json(record)


def test_another_schema_is_refused():
    with pytest.raises(InvalidOptionError, match="schema"):
        Snapshot.from_json({"schema": "qhub.calibration/9"})


def test_the_same_numbers_from_elsewhere_have_the_same_id():
    taken = snapshot()
    record = {**taken.to_json(), "source": "another place"}
    assert Snapshot.from_json(record).id == taken.id


def test_the_two_devices_that_never_were_are_called_synthetic():
    assert catalog.read_snapshot("nighthawk").synthetic
    assert not catalog.read_snapshot("kingston").synthetic


@given(st.lists(st.one_of(st.none(), st.just(1.0), st.floats(0, 0.999))))
def test_a_spread_counts_everything_once(values: list[float | None]):
    found = spread(values, errors=True)
    assert found.measured + found.dead + found.null == len(values)
    alive = [v for v in values if v is not None and v != 1.0]
    assert found.median == (median(alive) if alive else None)


@given(st.one_of(st.none(), st.booleans(), st.text(), st.floats(allow_nan=True, allow_infinity=True)))
def test_only_finite_numbers_are_numbers(thing: object):
    number = finite(thing)
    assert number is None or math.isfinite(number)


def test_an_edge_has_the_better_of_its_gates():
    def table(error: float) -> GateTable:
        return GateTable(((0, 1),), Column((error,), (None,)), Column((None,), (None,)))

    gates = {"cx": table(1.0), "ecr": table(0.01), "rzz": table(0.001)}
    taken = Snapshot("d", "2026-01-01T00:00:00Z", "s", False, 2, {}, gates, basis=("cx", "ecr"))
    assert taken.edges == {(0, 1): 0.01}


def test_the_device_itself_has_the_newest_that_it_told_of_and_the_simulated_tiers_that_of_the_package(
    tmp_path: Path,
) -> None:
    packaged = catalog.read_snapshot("manila")
    CalibrationStore(tmp_path).put(replace(packaged, taken_at="2026-10-01T00:00:00Z"))
    assert known_snapshot("ibmq_manila", tmp_path, tmp_path / "cache") == (packaged.id, packaged.taken_at)
    live = known_snapshot("ibmq_manila", tmp_path, tmp_path / "cache", live=True)
    assert live is not None
    assert live[1] == "2026-10-01T00:00:00Z"
    assert known_snapshot("nowhere", tmp_path, tmp_path / "cache") is None


def test_a_device_without_a_drawing_is_unfolded_along_its_edges() -> None:
    columns, rows = 5, 4
    sites = [
        (row * columns + column, other)
        for row in range(rows)
        for column in range(columns)
        for other in (
            *([row * columns + column + 1] if column + 1 < columns else []),
            *([(row + 1) * columns + column] if row + 1 < rows else []),
        )
    ]
    table = GateTable(tuple(sites), Column.of((0.01, None) for _ in sites), Column.of((None, None) for _ in sites))
    lattice = Snapshot("lattice", "2026-01-01T00:00:00Z", "a test", True, rows * columns, {}, {"cz": table})
    places = coordinates(lattice, {})
    lengths = [math.dist(places[a], places[b]) for a, b in sites]
    assert max(lengths) < 3 * min(lengths)
    assert min(math.dist(places[a], places[b]) for a in range(20) for b in range(a)) > 0.4
    apart = Snapshot(
        "apart",
        "2026-01-01T00:00:00Z",
        "a test",
        True,
        20,
        {},
        {"cz": GateTable(((0, 1),), Column.of([(0.01, None)]), Column.of([(None, None)]))},
    )
    assert {round(math.hypot(*place), 2) for place in coordinates(apart, {})} == {round(20 / (2 * math.pi), 2)}
