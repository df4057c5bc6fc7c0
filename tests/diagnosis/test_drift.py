"""What moved from one calibration to another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qhub_ext.diagnosis.drift import drift_between
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import Column, GateTable, Snapshot


def snapshot(t1: list[float | None], cx: list[float | None], readout: list[float | None] | None = None) -> Snapshot:
    def column(values: list[float | None]) -> Column:
        return Column(tuple(values), (None,) * len(values))

    sites = tuple((q, q + 1) for q in range(len(t1) - 1))
    return Snapshot(
        device="line",
        taken_at="2026-01-01T00:00:00Z",
        source="a test",
        synthetic=False,
        qubits=len(t1),
        columns={"t1_s": column(t1), "readout_error": column(readout or [0.01] * len(t1))},
        gates={"cx": GateTable(sites, column(cx), column([None] * len(cx)))},
        basis=("cx",),
    )


def test_the_values_that_moved_farthest_come_first_in_either_direction() -> None:
    before = snapshot([100e-6, 100e-6, 100e-6], [0.01, 0.01])
    after = snapshot([100e-6, 25e-6, 200e-6], [0.01, 0.08])
    drifted = drift_between(before, after)
    told = [(m.quantity, m.place, m.worse) for m in drifted.largest(3)]
    assert told == [
        ("two_qubit_error", "1-2", pytest.approx(3.0)),
        ("t1_s", "q1", pytest.approx(2.0)),
        ("t1_s", "q2", pytest.approx(-1.0)),
    ]


def test_a_gate_that_was_switched_off_or_came_back_is_named_before_all_numbers_and_left_out_of_medians() -> None:
    drifted = drift_between(snapshot([1e-4] * 4, [0.01, 1.0, 0.02]), snapshot([2e-4] * 4, [1.0, 0.03, 0.02]))
    first, second = drifted.largest(2)
    assert (first.place, first.switched_off, first.worse) == ("0-1", True, None)
    assert (second.place, second.came_back) == ("1-2", True)
    change = next(c for c in drifted.changes if c.quantity == "two_qubit_error")
    assert (change.before, change.after, change.measured) == (0.015, 0.025, 1)


def test_what_is_not_known_on_one_side_has_no_direction() -> None:
    drifted = drift_between(snapshot([None, 1e-4], [0.01]), snapshot([1e-4, None], [0.01]))
    assert all(m.worse is None for m in drifted.moves if m.quantity == "t1_s")


def test_two_devices_of_different_size_are_not_compared() -> None:
    with pytest.raises(InvalidOptionError, match="2 qubits in one snapshot and 3"):
        drift_between(snapshot([1e-4] * 2, [0.01]), snapshot([1e-4] * 3, [0.01, 0.01]))


def test_nothing_moves_between_a_snapshot_and_itself() -> None:
    one = snapshot([1e-4, None], [0.01])
    drifted = drift_between(one, replace(one, taken_at="2026-01-02T00:00:00Z"))
    assert all(c.moved == 0 for c in drifted.changes)
    assert not any(m.worse for m in drifted.moves)
