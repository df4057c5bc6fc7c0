"""The map in letters: a digit per qubit, from 0 (best) to 9 (worst), where the vendor draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qhub_ext.display.calibration import Look

WIDEST = 40
"""Columns of qubits; a wider device has no map in letters."""


def text_map(look: Look) -> str:
    """ "" where the qubits do not lie on a grid."""
    qubits = look.qubits
    places = [(q["x"], q["y"]) for q in qubits]
    if not places or any(x != int(x) or y != int(y) for x, y in places) or len(set(places)) != len(places):
        return ""
    left, top = (int(min(p[axis] for p in places)) for axis in (0, 1))
    columns, rows = (int(max(p[axis] for p in places)) - first + 1 for axis, first in ((0, left), (1, top)))
    if columns > WIDEST or rows > WIDEST:
        return ""
    grid = [[" "] * (4 * columns - 1) for _ in range(2 * rows - 1)]
    held = {} if look.placement is None else look.placement.holds
    signs = _signs(look)
    at = {}
    for number, (x, y) in enumerate(places):
        at[number] = (4 * (int(x) - left) + 1, 2 * (int(y) - top))
        column, row = at[number]
        grid[row][column] = signs[number]
        if number in held:
            grid[row][column - 1], grid[row][column + 1] = "[", "]"
    used = {} if look.placement is None else look.placement.gates
    for edge in look.edges:
        (x1, y1), (x2, y2) = sorted((at[edge["a"]], at[edge["b"]]))
        marked = (edge["a"], edge["b"]) in used
        if y1 == y2 and x2 - x1 == 4:
            grid[y1][x1 + 2] = "╳" if edge["dead"] else "═" if marked else "─"
        elif x1 == x2 and abs(y2 - y1) == 2:
            grid[min(y1, y2) + 1][x1] = "╳" if edge["dead"] else "║" if marked else "│"
    drawn = "\n".join("".join(row).rstrip() for row in grid)
    return f"{drawn}\n\n{_key(look)}"


def _signs(look: Look) -> list[str]:
    signs = []
    for row, share, value in zip(look.qubits, look.qubit_shares(), look.qubit_values(look.metric), strict=True):
        if row["dead"]:
            signs.append("×")
        elif share is None or value is None:
            signs.append("·")
        elif look.versus is not None:
            signs.append("=" if abs(value) < 0.15 else "+" if value > 0 else "-")
        else:
            signs.append(str(min(int(share * 10), 9)))
    return signs


def _key(look: Look) -> str:
    if look.versus is None:
        told = f"{look.metric.title}: 0 best, 9 worst; × switched off, · not known; an edge with ╳ is switched off"
    else:
        told = f"{look.metric.title}: + worse, - better, = within a tenth of before; × switched off, · not known"
    return told + (f"; [ ] and double lines: `{look.placement.name}`" if look.placement else "")
