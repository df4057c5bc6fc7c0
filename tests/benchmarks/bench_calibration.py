"""The calibration map of a device of 156 qubits: how long until it is there to be shown, and how large it is in a notebook."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.line import Line, seconds, take_turns

DEVICE, QUBITS = "kingston", 156
BUILT_S, KB = 0.3, 60.0
MIME_TYPE = "application/vnd.plotly.v1+json"


def ours() -> Any:
    """As `%qpu calibration` builds it: from the snapshot to what the notebook is given."""
    from qhub_ext.service.calibration_look import look_at
    from qhub_ext.widgets.calibration import CalibrationMap

    look = look_at(DEVICE, Path("no such shelf"))
    assert len(look.qubits) == QUBITS
    return CalibrationMap(look)._repr_mimebundle_()


def theirs() -> Any:
    """The same qubits and edges as networks are drawn in Plotly's own tutorials, with a trace per edge so that each has a colour and a hover."""
    from plotly.graph_objects import Figure, Scatter

    from qhub_ext.service.calibration_look import look_at

    look = look_at(DEVICE, Path("no such shelf"))
    at = [(q["x"], q["y"]) for q in look.qubits]
    figure = Figure()
    for edge in look.edges:
        (ax, ay), (bx, by) = at[edge["a"]], at[edge["b"]]
        shade = int(255 * min(1.0, 50 * (edge["error"] or 0.0)))
        line = {"width": 4, "color": f"rgb({shade},90,{255 - shade})"}
        figure.add_trace(
            Scatter(x=[ax, bx], y=[ay, by], mode="lines", line=line, text=f"{edge['error']}", showlegend=False)
        )
    colours = [q["readout_error"] for q in look.qubits]
    told = [f"Q{q['index']}: {q['readout_error']}, {q['t1_s']}, {q['t2_s']}" for q in look.qubits]
    figure.add_trace(Scatter(x=[x for x, _ in at], y=[y for _, y in at], mode="markers", marker={"color": colours, "size": 20}, text=told))  # fmt: skip
    return figure.to_plotly_json()


def lines(quick: bool) -> list[Line]:
    at = time.process_time()
    figure = ours()[MIME_TYPE]
    first = time.process_time() - at
    peer = "Plotly, a trace per edge"
    sizes = [len(json.dumps(one, separators=(",", ":"), default=list).encode()) / 1000 for one in (figure, theirs())]
    built, beside = take_turns(lambda: seconds(ours), lambda: seconds(theirs), rounds=3 if quick else 9)
    return [
        Line(f"calibration map of {QUBITS} qubits, built", built, peer, beside, at_most=BUILT_S),
        Line("the first one of a process, CPU time, imports included", first, at_most=BUILT_S),
        Line(f"calibration map of {QUBITS} qubits in a notebook", sizes[0], peer, sizes[1], unit="kB", at_most=KB),
    ]
