"""What a cell is about to send, as far as its text and its values tell, against what the device takes: said before submission."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from qhub_ext.errors import PreflightError
from qhub_ext.tiers.site_devices import takes_circuits

_OURS = {"Sampler": "circuits", "Estimator": "circuits", "PulserBackend": "sequences"}
_THEIRS = {"qiskit": "circuits", "pulser": "sequences"}


def payloads(cell: str, values: Mapping[str, Any]) -> set[str]:
    """`circuits`, `sequences`, both, or nothing where neither text nor values tell."""
    found = set()
    try:
        body = ast.walk(ast.parse(cell))
    except (SyntaxError, ValueError, RecursionError):  # with magics in it, say: then its values tell
        body = iter(())
    for node in body:
        if isinstance(node, ast.Import):
            found |= {_THEIRS.get(alias.name.partition(".")[0], "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            package = node.module.partition(".")[0]
            names = _OURS if package == "qhub_ext" else {}
            found |= {_THEIRS.get(package, ""), *(names.get(alias.name, "") for alias in node.names)}
    for value in values.values():
        kind = type(value)
        found.add(
            {("qiskit", "QuantumCircuit"): "circuits", ("pulser", "Sequence"): "sequences"}.get(
                (kind.__module__.partition(".")[0], kind.__name__), ""
            )
        )
    return found - {""}


def check_payload(cell: str, values: Mapping[str, Any], device: str) -> None:
    """Raises PreflightError for a cell that can only send what its device does not take."""
    wanted = "circuits" if takes_circuits(device) else "sequences"
    found = payloads(cell, values)
    if not found or wanted in found:
        return
    takes, sends = (
        ("Qiskit circuits", "Pulser sequences") if wanted == "circuits" else ("Pulser sequences", "Qiskit circuits")
    )
    raise PreflightError(
        f"{device} takes {takes}, and this cell works with {sends}.",
        advice="`qhub resources` shows what each device takes; --device chooses one.",
    )
