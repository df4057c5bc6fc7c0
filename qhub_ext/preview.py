"""What `--dry-run` shows: the job as it would be sent, what goes along, what comes back, and the script."""

from __future__ import annotations

from collections.abc import Sequence

from qhub_ext.display.tables import Table
from qhub_ext.display.words import limit, plain, size
from qhub_ext.job.notebook import code_cells
from qhub_ext.service import Draft


def preview_text(draft: Draft, script: str, outlook: Sequence[str] = ()) -> str:
    spec = draft.spec
    shots = f", {spec.shots} shots" if spec.shots else ""
    array = f", an array of {len(draft.elements)} elements" if draft.elements else ""
    rows = draft.inputs()
    table = Table(
        ("goes along", "kind", "what", "size", ""),
        [(row.name, row.kind, row.summary, row.size, row.note) for row in rows],
        empty=("Nothing goes along but the script." if spec.kind == "script" else "Nothing of the notebook goes along.")
        if draft.notebook is None
        else f"The notebook goes along: {len(code_cells(draft.notebook))} cells that run.",
        footer=f"together {size(draft.frozen.bytes)}",
        widths={"what": 60},
    )
    memory = f"{spec.memory_mb} MiB" if spec.memory_mb else "memory as the site gives"
    back = ", ".join(spec.outputs if spec.outputs is not None else sorted(draft.names.returns)) or "nothing"
    if draft.notebook is not None and spec.outputs is None:
        back = "the executed notebook, and all that its cells bind"
    return "\n".join(
        [
            "Nothing was submitted. This is what would be:",
            f"  job      {plain(spec.name, 60)}{array}",
            f"  runs on  {spec.tier}, {spec.device}{f', {spec.resource}' if spec.resource else ''}{shots}",
            f"  asks     {spec.cpus} CPU, {memory}, {limit(spec.time_s)} at most",
            "",
            table.to_text(),
            "",
            f"comes back: {back}",
            *(f"note: {warning}" for warning in draft.warnings),
            *(["", "Before it is sent:", *(f"  {line}" for line in outlook)] if outlook else []),
            "",
            "The script:",
            *(f"  {line}" for line in script.splitlines()),
        ]
    )
