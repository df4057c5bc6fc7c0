"""What `--dry-run` shows: the job as it would be sent, what goes along, what comes back, and the script."""

from __future__ import annotations

from collections.abc import Sequence

from qhub_ext.capture.names import Names
from qhub_ext.job.spec import JobSpec
from qhub_ext.widgets.tables import Table
from qhub_ext.widgets.words import duration, plain, size


def preview_text(
    spec: JobSpec,
    inputs: Sequence[tuple[str, str, str, int]],
    names: Names,
    script: str,
    warnings: Sequence[str],
    elements: int,
) -> str:
    shots = f", {spec.shots} shots" if spec.shots else ""
    lines = [
        "Nothing was submitted. This is what would be:",
        f"  job      {plain(spec.name, 60)}" + (f", an array of {elements} elements" if elements else ""),
        f"  runs on  {spec.tier}, {spec.device}{shots}",
        f"  asks     {spec.cpus} CPU, {spec.memory_mb or 0} MiB, {duration(spec.time_s)} at most",
        "",
    ]
    table = Table(
        ("goes along", "as", "what", "size"),
        [(name, form, summary, size(count)) for name, form, summary, count in inputs],
        empty="  Nothing of the notebook goes along.",
        widths={"what": 60},
    )
    lines.append(table.to_text())
    lines.append(f"  together {size(sum(count for *_, count in inputs))}")
    back = ", ".join(spec.outputs if spec.outputs is not None else sorted({*names.writes, *names.mutates})) or "nothing"
    lines.extend(["", f"  comes back: {back}"])
    lines.extend(f"  note: {w}" for w in warnings)
    lines.extend(["", "The script:", *(f"  {line}" for line in script.splitlines())])
    return "\n".join(lines)
