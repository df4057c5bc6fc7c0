"""Sends the spans of a job to a collector: `python -m qhub_ext.runner.export FOLDER`, a process of its own. It begins when a job has lasted for
a few seconds, sends what has ended every few seconds, and the rest when its standard input ends, as it does when the runner has sealed the
outcome or is gone. Of a short job it begins, and ends, at the end. The runner waits for it a moment only: a collector that is down, or slow, costs
the job nothing, and gets what it missed when it is back (`qhub_ext.telemetry.unsent`).
"""

from __future__ import annotations

import math
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.telemetry.console import VARIABLE as LOGS

if TYPE_CHECKING:
    from qhub_ext.telemetry.export import Target

WAIT_S = 2.0
"""The site may end what is left of a job with it: so long it may take at most."""
PREFIX = "OTEL_"
EVERY = "OTEL_BSP_SCHEDULE_DELAY"
"""OpenTelemetry's own variable: milliseconds between two exports."""
EVERY_S, LONGEST_PAUSE_S = 5.0, 60.0


class Export:
    """The runner's hand on that process. `due_at` is a moment of the monotonic clock."""

    def __init__(self, folder: JobFolder, began: float) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.due_at = began + every_s(os.environ)

    def begin(self) -> None:
        """Where the variables of OpenTelemetry name a collector, in the site's environment or in that of the submission."""
        self.due_at = math.inf
        environment = environment_of(self._folder)
        if not any(environment.get(f"{PREFIX}EXPORTER_OTLP_{name}ENDPOINT") for name in ("", "TRACES_")):
            return
        command = [sys.executable, "-P", "-m", "qhub_ext.runner.export", str(self._folder.path)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
        except OSError:  # the spans lie in the folder
            return

    def end(self) -> None:
        """The outcome is sealed."""
        if self.due_at != math.inf:
            self.begin()
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:  # it goes on by itself, as long as the site lets it
            return


def environment_of(folder: JobFolder) -> dict[str, str]:
    runtime = read_json_or_none(folder.runtime) or {}
    captured = {n: v for n, v in (runtime.get("environment") or {}).items() if n.startswith(PREFIX) or n == LOGS}
    return {**captured, **os.environ}


def every_s(environment: Mapping[str, str]) -> float:
    try:
        return max(0.1, float(environment.get(EVERY, "")) / 1000)
    except ValueError:
        return EVERY_S


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    from qhub_ext.telemetry.console import introduce, say
    from qhub_ext.telemetry.export import ExportError, target_of

    folder = JobFolder(Path(arguments[0]))
    introduce("qhub-runner", environment, **_ids(folder))
    try:
        target = target_of(environment)
        if target is None:
            return 0
        _while_it_runs(folder, target, every_s(environment))
        send_rest(folder, target)
    except ExportError as error:
        say(f"spans were not exported: {error} They lie in the job's folder; `qhub trace JOB --export` sends them.")
        return 1
    return 0


def _ids(folder: JobFolder) -> dict[str, str]:
    from qhub_ext.telemetry.context import context_of_job

    spec = read_json_or_none(folder.spec) or {}
    return {"job": folder.id, "trace_id": context_of_job(folder.id, str(spec.get("traceparent", ""))).trace_id}


def _while_it_runs(folder: JobFolder, target: Target, every: float) -> None:
    """Until standard input ends. A collector that does not answer is asked again, less and less often."""
    from qhub_ext.telemetry.console import say
    from qhub_ext.telemetry.export import ExportError

    pause = every
    while not select.select([sys.stdin], [], [], pause)[0]:
        try:
            send_ended(folder, target)
            pause = every
        except ExportError as error:
            if pause == every:
                say(f"spans wait for their collector: {error}")
            pause = min(pause * 2, LONGEST_PAUSE_S)


def send_ended(folder: JobFolder, target: Target) -> None:
    """The spans that have ended and that the collector has not got. Raises ExportError."""
    from qhub_ext.telemetry.export import bodies, send
    from qhub_ext.telemetry.unsent import Unsent

    for lines, arrived in Unsent(folder).batches():
        for body in bodies(lines, target.protocol):
            send(target, body)
        arrived()


def send_rest(folder: JobFolder, target: Target) -> None:
    from qhub_ext.telemetry.export import bodies, send

    send_ended(folder, target)
    for body in bodies(_derived(folder), target.protocol):
        send(target, body)


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
