"""The calibration map of a device of 156 qubits: how long until it is there to be shown, and how large it is in a notebook."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.benchmarks.line import Line, seconds, take_turns

DEVICE, QUBITS = "kingston", 156
BUILT_S, KB = 0.3, 60.0


@lru_cache(maxsize=1)
def vendors_backend() -> Any:
    from qiskit_ibm_runtime.fake_provider import FakeKingston

    return FakeKingston()


def ours() -> Any:
    """As `%qpu calibration` builds it: from the snapshot to what the notebook is given."""
    from qhub_ext.service.calibration_look import look_at
    from qhub_ext.widgets.calibration import CalibrationMap

    look = look_at(DEVICE, Path("no such shelf"))
    assert len(look.qubits) == QUBITS
    return CalibrationMap(look)._repr_mimebundle_()


def theirs() -> None:
    """Qiskit's own error map of the same device: a picture, without hover and buttons."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from qiskit.visualization import plot_error_map

    plt.close(plot_error_map(vendors_backend(), show_title=False))


def lines(quick: bool) -> list[Line]:
    first = seconds(ours)
    figure = ours()["application/vnd.plotly.v1+json"]
    size_kb = len(json.dumps(figure, separators=(",", ":")).encode()) / 1000
    peer = _peer()
    sides = (lambda: seconds(ours), *((lambda: seconds(theirs),) if peer else ()))
    found = take_turns(*sides, rounds=3 if quick else 9)
    beside = found[1] if peer else None
    return [
        Line(f"calibration map of {QUBITS} qubits, built", found[0], peer, beside, at_most=BUILT_S),
        Line("the first one of a process, imports included", first),
        Line(f"calibration map of {QUBITS} qubits in a notebook", size_kb, unit="kB", at_most=KB),
    ]


def _peer() -> str:
    """What it stands beside; "" where that cannot be made here."""
    try:
        theirs()
    except Exception as error:
        print(f"plot_error_map cannot be made: {error}")
        return ""
    return "`qiskit.visualization.plot_error_map`"
