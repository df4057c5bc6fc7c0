"""Where in a job's source something happened, in words: the line that an error names, the frame in which a crash came. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath

from qhub_ext.job.spec import JobSpec
from qhub_ext.runner.sighting import Sighting

# a frame of faulthandler's report, and the file that ipykernel gives to a cell
_FRAME = re.compile(r'\s*File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)')
_CELL = re.compile(r"[/\\]ipykernel_\d+[/\\]\d+\.py$")


def line_of(spec: JobSpec, seen: Sighting, number: int) -> str:
    if seen.cells is not None:
        return f"line {number} of {seen.subject}"
    if spec.kind != "script":
        return f"line {number} of the cell"
    return f"line {number} of {PurePath(spec.file).name or 'the script'}"


def crash_place(spec: JobSpec, seen: Sighting) -> str:
    """Where faulthandler saw the thread that crashed: its innermost frame, and the line of the cell that led there."""
    frames = _frames(seen.crash)
    if not frames:
        return ""
    lines = seen.source.splitlines()
    of_cells = [frame for frame in frames if _CELL.search(frame["file"])]
    # of a notebook, the inner ones may be functions of other cells: the cell that runs is the outermost
    cell = next((frame for frame in of_cells if frame["file"] == of_cells[-1]["file"]), None)
    called = ""
    if cell is not None:
        number = int(cell["line"])
        text = lines[number - 1].strip()[:120] if 0 < number <= len(lines) else ""
        called = line_of(spec, seen, number) + (f": `{text}`" if text else "")
    if cell is frames[0]:
        return f" on {called}"
    file = "/".join(PurePath(frames[0]["file"]).parts[-2:])
    inside = f" in {frames[0]['function']} ({file}, line {frames[0]['line']})"
    return f"{inside}, called from {called}" if called else inside


def _frames(report: str) -> list[dict[str, str]]:
    """Of the current thread, innermost first."""
    found: list[dict[str, str]] = []
    lines = iter(report.splitlines())
    for line in lines:
        if line.startswith("Current thread"):
            break
    for line in lines:
        frame = _FRAME.fullmatch(line)
        if frame is None:
            break
        found.append(frame.groupdict())
    return found
