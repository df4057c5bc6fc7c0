"""Sends the spans of a job to a collector: `python -m qhub_ext.runner.export FOLDER`, a process of its own that begins when the outcome is
sealed. The runner waits for it a moment only: an endpoint that is down, or slow, costs the job nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.layout import JobFolder

WAIT_S = 2.0
"""The site may end what is left of a job with it: so long it may take at most."""
PREFIX = "OTEL_"


def begin_export(folder: JobFolder) -> None:
    """Where the variables of OpenTelemetry name a collector, in the site's environment or in that of the submission."""
    runtime = read_json_or_none(folder.runtime) or {}
    captured = {n: v for n, v in (runtime.get("environment") or {}).items() if n.startswith(PREFIX)}
    environment = {**captured, **os.environ}
    if not any(environment.get(f"{PREFIX}EXPORTER_OTLP_{name}ENDPOINT") for name in ("", "TRACES_")):
        return
    command = [sys.executable, "-P", "-m", "qhub_ext.runner.export", str(folder.path)]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
        process.wait(WAIT_S)
    except (OSError, subprocess.TimeoutExpired):  # the spans lie in the folder
        return


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    from qhub_ext.telemetry.export import ExportError, bodies, send, target_of
    from qhub_ext.telemetry.reading import read_lines

    try:
        target = target_of(environment)
        if target is None:
            return 0
        folder = JobFolder(Path(arguments[0]))
        for body in bodies([*read_lines(folder), *_derived(folder)], target.protocol):
            send(target, body)
    except ExportError as error:
        print(f"qhub: spans were not exported: {error} They lie in the job's folder.", file=sys.stderr)
        return 1
    return 0


def _derived(folder: JobFolder) -> list[bytes]:
    """What no process recorded: the job itself, its attempts, its waiting."""
    from qhub_ext import __version__
    from qhub_ext.diagnosis.trace import assemble
    from qhub_ext.jobfolder.outcome import read_record
    from qhub_ext.telemetry.otlp import RecordedSpan, line_of
    from qhub_ext.telemetry.reading import read_recorded

    trace = assemble(read_record(folder), read_recorded(folder), {})
    found = [
        RecordedSpan(trace.trace_id, span.id, span.parent, span.name, span.begin_ns, span.end_ns, {"qhub.kind": span.kind, **span.attributes})
        for span in trace.spans
        if not span.writer and span.end_ns is not None
    ]  # fmt: skip
    resource: dict[str, Any] = {"service.name": "qhub-job", "service.version": __version__}
    return [line_of(found, resource, __version__)] if found else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
