"""The map as a small picture without letters: for where no plot is drawn, such as an exported notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from qhub_ext.display.colours import BETTER_TO_WORSE, GOOD_TO_BAD, MARKED, OFF, colour

if TYPE_CHECKING:
    from qhub_ext.display.calibration import Look

_STEP = 22


def svg_map(look: Look) -> str:
    qubits = look.qubits
    left, top = (min(q[axis] for q in qubits) for axis in ("x", "y"))
    right, bottom = (max(q[axis] for q in qubits) for axis in ("x", "y"))
    at = [(round((q["x"] - left + 0.6) * _STEP, 1), round((q["y"] - top + 0.6) * _STEP, 1)) for q in qubits]
    width, height = round((right - left + 1.2) * _STEP), round((bottom - top + 1.2) * _STEP)
    scale = GOOD_TO_BAD if look.versus is None else BETTER_TO_WORSE
    held = {} if look.placement is None else look.placement.holds
    used = {} if look.placement is None else look.placement.gates
    lines, rings = [], []
    for edge, share in zip(look.edges, look.edge_shares(), strict=True):
        (x1, y1), (x2, y2) = at[edge["a"]], at[edge["b"]]
        ends = f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
        if (edge["a"], edge["b"]) in used:
            rings.append(f'<line {ends} stroke="{MARKED}" stroke-width="8" stroke-opacity="0.5"/>')
        dash = ' stroke-dasharray="3 3"' if edge["dead"] else ""
        lines.append(f'<line {ends} stroke="{_colour(scale, share)}" stroke-width="3"{dash}/>')
    dots = []
    for number, share in enumerate(look.qubit_shares()):
        x, y = at[number]
        if number in held:
            rings.append(f'<circle cx="{x}" cy="{y}" r="9" fill="{MARKED}" fill-opacity="0.5"/>')
        dots.append(f'<circle cx="{x}" cy="{y}" r="6" fill="{_colour(scale, share)}"/>')
    told = f"{look.metric.title} of the qubits and {'change of the ' if look.versus else ''}error of the edges of {look.chart['device']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html.escape(told)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width:100%">{"".join(rings)}{"".join(lines)}{"".join(dots)}</svg>'
    )


def _colour(scale: tuple[str, ...], share: float | None) -> str:
    return OFF if share is None else colour(scale, share)
