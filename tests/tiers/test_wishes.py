from __future__ import annotations

import pytest

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.tiers import catalog
from qhub_ext.tiers.wishes import choose, is_wish

DEVICES = catalog.list_devices()


def test_a_wish_is_told_from_a_name() -> None:
    assert is_wish("qubits>=100")
    assert is_wish("least busy")
    assert is_wish("family=heron, least busy")
    assert not any(is_wish(name) for name in [*catalog.names(), "ibm_kingston", "FakeHanoiV2"])


def test_the_best_two_qubit_gates_decide_among_those_that_fit() -> None:
    found = choose("qubits>=100", DEVICES)
    best = min(
        (d for d in DEVICES if d.qubits >= 100 and d.medians["two_qubit_error"] is not None),
        key=lambda d: d.medians["two_qubit_error"],
    )
    assert found.name == best.name
    assert f"{best.medians['two_qubit_error']:.2e}" in found.why


def test_each_wish_narrows_the_choice() -> None:
    narrow = choose("qubits>=100, 2q<3e-3, family=nighthawk", DEVICES)
    assert {d.family for d in DEVICES if d.name == narrow.name} == {"Nighthawk"}
    small = choose("qubits<=5, dead_edges=0", DEVICES)
    assert next(d.qubits for d in DEVICES if d.name == small.name) <= 5


def test_the_least_busy_goes_before_the_best() -> None:
    waiting = {d.name: 7 for d in DEVICES} | {"miami": 1}
    found = choose("qubits>=100, least busy", DEVICES, waiting)
    assert found.name == "miami"
    assert "1 task waiting" in found.why


def test_an_unknown_value_fits_no_wish() -> None:
    (kyoto,) = (d for d in DEVICES if d.name == "kyoto")
    assert kyoto.medians["two_qubit_error"] is None
    with pytest.raises(UnknownNameError, match="No device fits"):
        choose("2q<1", [kyoto])


def test_where_nothing_fits_the_hardest_wish_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'qubits>1000': 0 of \d+ devices"):
        choose("qubits>1000, 2q<1", DEVICES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("qubits>=many", "'many' in 'qubits>=many' is no number"),
        ("qubit>=5", "Did you mean 'qubits'"),
        ("family>heron", "only = fits"),
        ("qubits>5,, busy least", "'busy least' is no wish"),
        ("qubits>=5; rm", "is no wish"),
        ("kyoto,fez", "'kyoto' is a device, and one among others"),
    ],
)
def test_a_slip_in_a_wish_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises((InvalidOptionError, UnknownNameError), match=said):
        choose(text, DEVICES)
