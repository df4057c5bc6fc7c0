"""The map as a small picture without letters: what is drawn where and in which colour, for the job view, and the same as SVG for where
no plot is drawn, such as an exported notebook.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from qhub_ext.display.colours import BETTER_TO_WORSE, GOOD_TO_BAD, MARKED, OFF, colour

if TYPE_CHECKING:
    from qhub_ext.display.calibration import Look

_STEP = 22
_OF_A_QUBIT = ("index", "t1_s", "t2_s", "readout_error", "one_qubit_error", "dated_at", "dead")
_OF_AN_EDGE = ("a", "b", "error", "dead", "gate", "dated_at")


def drawing(look: Look) -> dict[str, Any]:
    """Qubits with their places in px, edges between them, the numbers of both, and how often the placement uses each."""
    qubits = look.qubits
    left, top = (min(q[axis] for q in qubits) for axis in ("x", "y"))
    right, bottom = (max(q[axis] for q in qubits) for axis in ("x", "y"))
    scale = GOOD_TO_BAD if look.versus is None else BETTER_TO_WORSE
    held = {} if look.placement is None else look.placement.holds
    gates = {} if look.placement is None else look.placement.gates
    return {
        "width": round((right - left + 1.2) * _STEP),
        "height": round((bottom - top + 1.2) * _STEP),
        "qubits": [
            {name: row.get(name) for name in _OF_A_QUBIT}
            | {"x": round((row["x"] - left + 0.6) * _STEP, 1), "y": round((row["y"] - top + 0.6) * _STEP, 1)}
            | {"colour": _colour(scale, share), "used": int(number in held)}
            for number, (row, share) in enumerate(zip(qubits, look.qubit_shares(), strict=True))
        ],
        "edges": [
            {name: row.get(name) for name in _OF_AN_EDGE}
            | {"colour": _colour(scale, share), "used": gates.get((row["a"], row["b"]), 0)}
            for row, share in zip(look.edges, look.edge_shares(), strict=True)
        ],
    }


def svg_map(look: Look) -> str:
    drawn = drawing(look)
    qubits, width, height = drawn["qubits"], drawn["width"], drawn["height"]
    lines, dots, rings = [], [], []
    for edge in drawn["edges"]:
        a, b = qubits[edge["a"]], qubits[edge["b"]]
        ends = f'x1="{a["x"]}" y1="{a["y"]}" x2="{b["x"]}" y2="{b["y"]}"'
        if edge["used"]:
            rings.append(f'<line {ends} stroke="{MARKED}" stroke-width="8" stroke-opacity="0.5"/>')
        dash = ' stroke-dasharray="3 3"' if edge["dead"] else ""
        lines.append(f'<line {ends} stroke="{edge["colour"]}" stroke-width="3"{dash}/>')
    for qubit in qubits:
        centre = f'cx="{qubit["x"]}" cy="{qubit["y"]}"'
        if qubit["used"]:
            rings.append(f'<circle {centre} r="9" fill="{MARKED}" fill-opacity="0.5"/>')
        dots.append(f'<circle {centre} r="6" fill="{qubit["colour"]}"/>')
    told = f"{look.metric.title} of the qubits and {'change of the ' if look.versus else ''}error of the edges of {look.chart['device']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html.escape(told)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width:100%">{"".join(rings)}{"".join(lines)}{"".join(dots)}</svg>'
    )


def _colour(scale: tuple[str, ...], share: float | None) -> str:
    return OFF if share is None else colour(scale, share)
