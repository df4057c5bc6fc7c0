"""The calibration map as text, HTML and figure: what is drawn is what the snapshot says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qpy
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext.display.calibration import Look
from qhub_ext.display.calibration_scale import BINS, EDGES, METRICS, Scale, factor_words, find_metric
from qhub_ext.display.colours import BETTER_TO_WORSE, GOOD_TO_BAD, OFF, colour
from qhub_ext.display.pages import PLOTLY
from qhub_ext.errors import QhubError
from qhub_ext.job.calibration import Column
from qhub_ext.jobfolder.calibrations import CalibrationStore
from qhub_ext.service import calibration_look
from qhub_ext.service.calibration_look import place, read_circuit
from qhub_ext.tiers import catalog, devices
from qhub_ext.widgets.calibration import CalibrationMap


def look_at(device: str, **arguments: Any) -> Look:
    """On a shelf that has met no other snapshots."""
    return calibration_look.look_at(device, Path("no such shelf"), **arguments)


@pytest.fixture(scope="module")
def kingston() -> Look:
    return look_at("ibm_kingston")


@pytest.fixture(scope="module")
def isa() -> QuantumCircuit:
    ghz = QuantumCircuit(12, name="ghz")
    ghz.h(0)
    for qubit in range(11):
        ghz.cx(qubit, qubit + 1)
    ghz.measure_all()
    return generate_preset_pass_manager(1, target=devices.load("kingston").target, seed_transpiler=3).run(ghz)


def figure(look: Look) -> dict[str, Any]:
    """The figure, and proof that plotly takes it as it is."""
    drawn = CalibrationMap(look).to_plotly()
    go.Figure(drawn)  # raises for a property that plotly does not know
    return dict(json.loads(json.dumps(drawn, allow_nan=False)))


def test_every_edge_is_in_one_bin_and_those_switched_off_are_grey(kingston: Look) -> None:
    lines = [t for t in figure(kingston)["data"] if t["mode"] == "lines"]
    assert len(lines) <= BINS + 2
    assert sum(len(t["x"]) // 3 for t in lines) == len(kingston.edges) == 176
    off = [t for t in lines if t["line"].get("dash") == "dot"]
    assert [(len(t["x"]) // 3, t["line"]["color"]) for t in off] == [(7, OFF)]


def test_the_figure_is_small_and_needs_neither_kernel_nor_network(kingston: Look) -> None:
    text = json.dumps(CalibrationMap(kingston)._repr_mimebundle_()[PLOTLY])
    assert len(text.encode()) < 60_000
    assert "http" not in text


def test_hovering_tells_each_value_with_its_age(kingston: Look) -> None:
    *_, edges, _grounds, qubits = figure(kingston)["data"]
    told = re.sub(r"%{customdata\[(\d)\]}", lambda m: str(qubits["customdata"][0][int(m[1])]), qubits["hovertemplate"])
    assert told.startswith("Q0<br>")
    for title, value in (("readout error", "9.52e-03"), ("one-qubit error", "2.03e-04"), ("T1", "384 µs")):
        assert re.search(rf"{title} {value} \(\d+ d \d+ h old\)", told), told
    assert edges["customdata"][0][0] == "0-1"
    assert re.fullmatch(r"cz 1.15e-03 \(\d+ d \d+ h old\)", edges["customdata"][0][1])
    assert any(told.startswith("cz off") for _, told in edges["customdata"])


def test_each_button_recolours_the_qubits_by_its_metric_and_nothing_else(kingston: Look) -> None:
    drawn = figure(kingston)
    last = len(drawn["data"]) - 1
    buttons = drawn["layout"]["updatemenus"][0]["buttons"]
    assert [b["label"] for b in buttons] == ["readout error", "one-qubit error", "T1", "T2"]
    for button, metric in zip(buttons, METRICS, strict=True):
        change, traces = button["args"]
        assert traces == [last]
        assert len(change["marker.color"][0]) == 156
        shown = figure(kingston.by(metric))["data"][last]["marker"]
        assert change["marker.color"][0] == shown["color"]
        assert change["marker.colorscale"][0] == shown["colorscale"]
        assert change["marker.opacity"][0] == shown["opacity"]


def test_qubits_with_different_values_have_different_colours(kingston: Look) -> None:
    assert len(set(figure(kingston.by(find_metric("t1")))["data"][-1]["marker"]["color"])) > 100


def test_bad_is_red_whether_more_is_better_or_not(kingston: Look) -> None:
    for metric in METRICS:
        values, shares = kingston.qubit_values(metric), kingston.qubit_shares(metric)
        known = [(v, s) for v, s in zip(values, shares, strict=True) if v is not None and s is not None]
        best, worst = (max, min) if metric.more_is_better else (min, max)
        assert best(known)[1] == 0
        assert worst(known)[1] == 1


def test_what_is_not_known_or_off_has_no_colour_of_a_value(kingston: Look) -> None:
    t1 = figure(kingston.by(find_metric("t1")))["data"][-1]["marker"]
    assert [n for n, seen in enumerate(t1["opacity"]) if not seen] == [146]
    grounds = figure(kingston)["data"][-2]["marker"]
    dead = {q["index"] for q in kingston.qubits if q["dead"]}
    assert {n for n, symbol in enumerate(grounds["symbol"]) if symbol == "circle-x"} == dead
    assert dead


def test_what_is_odd_about_the_numbers_is_said_with_the_qubits_where_they_are_few(kingston: Look) -> None:
    told = kingston.flag_words()
    assert any("edges are switched off: " in line for line in told)
    assert "1 of 156 qubits have no T1 (q146)." in told
    for line in told:
        assert line in kingston.to_text()
    assert "(q146)" in kingston.to_html()


def test_a_circuit_is_drawn_where_it_lies(kingston: Look, isa: QuantumCircuit) -> None:
    look = look_at("kingston", circuit=("isa", isa))
    placed = look.placement
    assert placed is not None
    used = {isa.find_bit(q).index for step in isa.data if step.name != "barrier" for q in step.qubits}
    assert set(placed.holds) == used
    assert sorted(placed.holds.values(), key=int) == [str(n) for n in range(12)]
    assert sum(placed.gates.values()) == sum(len(s.qubits) == 2 for s in isa.data if s.name != "barrier")
    marks, rings, *_ = figure(look)["data"]
    assert len(marks["x"]) // 3 == len(placed.gates)
    assert len(rings["x"]) == 12
    text = look.to_text()
    assert "Circuit `isa` uses 12 qubits" in text
    assert "[" in text
    assert "The worst edge that it uses is" in text
    assert "═" in text or "║" in text
    assert "holds qubit" in json.dumps(figure(look))
    assert look.facts["circuit"]["name"] == "isa"


def test_gates_on_an_edge_that_is_off_are_said(kingston: Look) -> None:
    a, b = next((e["a"], e["b"]) for e in kingston.edges if e["dead"])
    circuit = QuantumCircuit(156, 1)
    circuit.cz(a, b)
    with circuit.if_test((0, 1)):
        circuit.cz(a, b)
    look = look_at("kingston", circuit=("bad", circuit))
    assert f"2 gates of it run on edges that are switched off ({a}-{b}): the answer will be noise." in look.to_text()
    assert f"switched off ({a}-{b})" in look.to_html()


def test_two_snapshots_are_compared_value_by_value() -> None:
    look = look_at("kingston", versus="fez", metric="t1")
    here, there = catalog.read_snapshot("kingston"), catalog.read_snapshot("fez")
    better = look.qubit_values(METRICS[2])[0]
    now, before = here.column("t1_s")[0], there.column("t1_s")[0]
    assert better is not None
    assert now
    assert before
    assert 2**-better == pytest.approx(now / before)
    assert "against fez, snapshot of 2025-02-2" in look.title  # the day is that of the reader's clock
    assert "was" in look.qubit_words(0)[0][1]
    assert figure(look)["data"][-1]["marker"]["colorscale"][0][1] == BETTER_TO_WORSE[0]
    text = look.to_text()
    assert "most worsened" in text
    assert "+ worse, - better" in text
    assert look.facts["versus"]["device"] == "fez"


def test_a_snapshot_in_a_file_is_read_and_compared(tmp_path: Path) -> None:
    snapshot = catalog.read_snapshot("kingston")
    worse = tuple(None if v is None else v / 2 for v in snapshot.column("t1_s").values)
    columns = {**snapshot.columns, "t1_s": Column(worse, snapshot.column("t1_s").at)}
    path = tmp_path / "later.json"
    path.write_text(json.dumps(replace(snapshot, columns=columns, synthetic=True).to_json()))
    look = look_at(str(path), versus="kingston", metric="t1")
    assert {round(v, 9) for v in look.qubit_values(METRICS[2]) if v is not None} == {1.0}
    assert set(look.edge_values()) <= {0.0, None}
    assert "simulated" in look.title
    assert "as before" in look.edge_words(look.edges[0])


def test_a_snapshot_that_a_job_met_is_found_by_its_digits(tmp_path: Path) -> None:
    packaged = catalog.read_snapshot("kingston")
    columns = {**packaged.columns, "t2_s": packaged.column("t1_s")}
    met = replace(packaged, columns=columns, taken_at="2026-09-01T00:00:00Z", source="a job")
    CalibrationStore(tmp_path).put(met)
    assert calibration_look.look_at("kingston", tmp_path).chart["snapshot_id"] == met.id  # the newest that is known
    digits = packaged.id.removeprefix("sha256:")[:12]
    for versus in (digits, f"kingston@{digits}", packaged.id):
        look = calibration_look.look_at("kingston", tmp_path, versus=versus)
        assert look.versus is not None
        assert look.versus["snapshot_id"] == packaged.id
    assert calibration_look.look_at(f"kingston@{digits}", tmp_path).chart["snapshot_id"] == packaged.id
    with pytest.raises(QhubError, match="There is no snapshot of kingston 'ffffff'"):
        calibration_look.look_at("kingston", tmp_path, versus="ffffff")


def test_a_vendor_s_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    document = {"configuration": catalog.read_configuration("manila"), "properties": catalog.read_properties("manila")}
    path.write_text(json.dumps(document))
    assert look_at(str(path)).title.startswith("mine · 5 qubits, 4 edges")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"device": "kingstn"}, "There is no calibration of the device 'kingstn'. Did you mean 'kingston'"),
        ({"device": "kingston", "metric": "t3"}, "There is no metric 't3'. Did you mean 't1' or 't2'"),
        ({"device": "kingston", "versus": "brisbane"}, "kingston has 156 qubits and brisbane has 127"),
        ({"device": "absent.json"}, "absent.json cannot be read: No such file"),
        ({"device": "kingston", "circuit": ("x", 3)}, "`x` is a int, not a QuantumCircuit."),
        (
            {"device": "kingston", "circuit": ("x", QuantumCircuit(2))},
            "`x` has 2 qubits and is not laid out on the 156",
        ),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(QhubError) as raised:
        look_at(**arguments)
    assert said in str(raised.value)


def test_a_gate_between_qubits_that_are_not_connected_is_refused(kingston: Look) -> None:
    circuit = QuantumCircuit(156)
    circuit.cz(0, 2)
    with pytest.raises(QhubError, match="a gate on qubits 0 and 2, which kingston does not connect"):
        place("x", circuit, kingston.chart)


def test_files_that_hold_no_snapshot_or_circuit_are_refused(tmp_path: Path, isa: QuantumCircuit) -> None:
    for name, content in (
        ("a.json", "{"),
        ("b.json", "[]"),
        ("c.json", '{"schema": "qhub.calibration/1"}'),
        ("d.json", "{}"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(QhubError):
            look_at(str(tmp_path / name))
    (tmp_path / "x.qpy").write_bytes(b"QISKIT")
    with pytest.raises(QhubError, match="holds no circuit"):
        read_circuit(str(tmp_path / "x.qpy"), None)
    with (tmp_path / "isa.qpy").open("wb") as file:
        qpy.dump(isa, file)
    assert read_circuit(str(tmp_path / "isa.qpy"), None) == isa
    with pytest.raises(QhubError, match="a terminal has no variables"):
        read_circuit("isa", None)
    with pytest.raises(QhubError, match=r"There is no variable 'is'\. Did you mean 'isa'"):
        read_circuit("is", {"isa": isa})


@pytest.mark.parametrize("name", ["manila", "yorktown", "berlin", "brisbane", "melbourne", "armonk"])
def test_every_kind_of_device_is_drawn(name: str) -> None:
    look = look_at(name)
    for metric in METRICS:
        bundle = CalibrationMap(look.by(metric))._repr_mimebundle_()
        go.Figure({k: v for k, v in bundle[PLOTLY].items() if k != "config"})
        assert look.title in bundle["text/plain"]
        assert "<svg" in bundle["text/html"]


def test_the_map_in_letters_is_the_device(kingston: Look) -> None:
    rows = kingston.to_text().split("\n\n")[3].splitlines()  # after title, table and what is odd
    assert len(rows) == 29
    assert rows[0].split(" ─ ")[0].strip().isdigit()
    assert sum(row.count("╳") for row in rows) == 7
    letters = re.findall(r"[0-9×·]", "\n".join(rows))
    assert len(letters) == 156


def test_a_device_without_a_grid_has_a_table_and_no_map_in_letters() -> None:
    assert "0 best, 9 worst" not in look_at("yorktown").to_text()


def test_the_html_form_needs_nothing_from_outside_and_tells_the_values(kingston: Look) -> None:
    page = kingston.to_html()
    assert not re.search(r"src=|href=|url\(|<script|<style|@import", page)
    assert page.count("<circle") == 156
    assert "<text" not in page  # where SVG is stripped, no stray numbers stay behind
    for words in ("readout error", "median", "two-qubit error", "kingston · 156 qubits"):
        assert words in page


@given(st.lists(st.one_of(st.none(), st.floats(1e-12, 0.99)), max_size=40))
def test_every_scale_puts_every_value_between_its_ends(values: list[float | None]) -> None:
    for metric in (*METRICS, EDGES):
        for against in (False, True):
            scale = Scale.of(values, metric, against=against)
            assert scale.high > scale.low
            assert all(share is None or 0 <= share <= 1 for share in scale.shares(values))


def test_colours_run_from_the_first_to_the_last() -> None:
    assert (colour(GOOD_TO_BAD, 0), colour(GOOD_TO_BAD, 1)) == (GOOD_TO_BAD[0], GOOD_TO_BAD[-1])
    assert colour(("#000000", "#ffffff"), 0.5) == "#808080"
    assert [factor_words(v) for v in (0.0, 1.0, -1.0, 5.0)] == ["as before", "×2.0 worse", "×2.0 better", "×32 worse"]


def test_the_values_behind_a_map_are_a_data_frame(kingston: Look) -> None:
    drawn = CalibrationMap(kingston)
    assert drawn.frame["t1_s"].median() == kingston.facts["median"]["t1_s"]
    assert drawn.edges_frame["dead"].sum() == 7
