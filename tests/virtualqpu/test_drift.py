"""How the calibrations of a virtual QPU differ: as those of real devices do, and the same wherever they are made."""

from __future__ import annotations

import math
from statistics import median

from qhub_ext.job.calibration import Snapshot
from qhub_ext.tiers import catalog
from qhub_ext.tiers.snapshots import parse_ibm_properties
from qhub_ext.virtualqpu import drift

AT = 1_790_000_000.0


def made(cycle: int, seed: int = 0) -> Snapshot:
    properties = drift.drifted(catalog.read_properties("kingston"), "kingston", seed, cycle, AT)
    return parse_ibm_properties(properties, catalog.read_configuration("kingston"), device="kingston", source="test")


def spread_of_change(before: Snapshot, after: Snapshot, column: str) -> float:
    pairs = zip(before.column(column).values, after.column(column).values, strict=True)
    changes = [math.log(b / a) for a, b in pairs if a and b and a < 0.5]
    middle = median(changes)
    return 1.4826 * median(abs(change - middle) for change in changes)


def test_before_the_first_calibration_it_has_the_real_snapshot() -> None:
    real = catalog.read_snapshot("kingston")
    assert made(0).id == real.id
    assert not made(0).synthetic


def test_the_numbers_follow_from_device_seed_and_cycle() -> None:
    assert made(3).id == made(3).id
    assert len({made(3).id, made(4).id, made(3, seed=1).id}) == 3
    assert made(60).id == made(60).id  # farther back than it looks


def test_a_drifted_snapshot_says_that_it_is_synthetic_and_when_it_was_made() -> None:
    snapshot = made(2)
    assert snapshot.synthetic
    assert snapshot.taken_at == "2026-09-21T14:13:20Z"


def test_values_move_as_far_as_between_two_real_snapshots_of_one_device() -> None:
    for column, expected in (("t1_s", drift.T1), ("t2_s", drift.T2), ("readout_error", drift.READOUT)):
        apart = math.sqrt(2) * expected.sigma  # both of the two have drifted
        assert 0.7 * apart < spread_of_change(made(10), made(30), column) < 1.3 * apart, column


def test_it_does_not_wander_off_over_many_calibrations() -> None:
    real, late = catalog.read_snapshot("kingston"), made(300)
    for name, before in real.medians().items():
        after = late.medians()[name].median
        assert before.median is not None
        assert after is not None
        assert 0.75 < after / before.median < 1.33, name


def test_what_is_switched_off_mostly_stays_so_and_all_gates_of_an_edge_go_together() -> None:
    real, late = catalog.read_snapshot("kingston"), made(40, seed=1)
    lost = set(late.dead_edges) - set(real.dead_edges)
    assert lost
    assert len(set(real.dead_edges) & set(late.dead_edges)) >= 1
    assert len(late.dead_edges) < 3 * len(real.dead_edges)
    for table in late.gates.values():
        for site, error in zip(table.qubits, table.error.values, strict=True):
            if tuple(sorted(site)) in lost:
                assert error == 1.0


def test_no_qubit_leaves_the_physical_limit_behind() -> None:
    real, late = catalog.read_snapshot("kingston"), made(30)

    def above(snapshot: Snapshot) -> set[int]:
        pairs = zip(snapshot.column("t1_s").values, snapshot.column("t2_s").values, strict=True)
        return {q for q, (a, b) in enumerate(pairs) if a and b and b > 2 * a * (1 + 1e-9)}

    assert above(late) <= above(real)
