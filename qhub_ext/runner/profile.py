"""Where the cell's own Python spends its time, by cProfile: on request, because it makes Python slower."""

from __future__ import annotations

import contextlib
import cProfile
import pstats
from pathlib import Path
from typing import Any

from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.jobfolder.layout import AttemptFolder

SCHEMA = "qhub.profile/1"
KEPT = 100
NOTE = "By cProfile, which slows Python down and sees the cell's own thread only."
CELL = "the cell"
"""Its own functions are kept also where a hundred others took longer, as imports do the first time."""


class Profile:
    """One over all cells. A cell that profiles itself is left to its own."""

    def __init__(self, attempt: AttemptFolder) -> None:
        self.note = ""
        self._attempt = attempt
        self._profile = cProfile.Profile()

    def begin(self) -> None:
        with contextlib.suppress(ValueError):  # another tool is active
            self._profile.enable()

    def end(self) -> None:
        self._profile.disable()

    def write(self) -> None:
        """A full disk, or a cell that ran nothing, costs the profile and not the job."""
        with contextlib.suppress(OSError, TypeError):
            write_json(
                self._attempt.profile, {"schema": SCHEMA, "functions": functions_of(self._profile), "note": NOTE}
            )


def functions_of(profile: cProfile.Profile) -> list[dict[str, Any]]:
    """Those that took most themselves first. `own_s` without the functions that they call, `all_s` with them."""
    told: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    rows = [
        {"function": name, "file": short(file), "line": line, "calls": calls, "own_s": round(own, 6), "all_s": round(whole, 6)}
        for (file, line, name), (_, calls, own, whole, _) in told.items()
    ]  # fmt: skip
    rows = [row for row in rows if row["file"] != "qhub_ext/runner/profile.py"]
    rows.sort(key=lambda row: (-float(row["own_s"]), str(row["function"])))
    return rows[:KEPT] + [row for row in rows[KEPT:] if row["file"] == CELL][:KEPT]


def short(file: str) -> str:
    """`the cell`, `qiskit/circuit/quantumcircuit.py`, `import`, or "" for what is built in."""
    if file in ("~", ""):
        return ""
    if file.startswith("<frozen importlib"):
        return "import"
    parts = Path(file).parts
    if any(part.startswith("ipykernel_") for part in parts):
        return CELL
    if "site-packages" in parts:
        return "/".join(parts[len(parts) - parts[::-1].index("site-packages") :])
    return "/".join(parts[-3:])
