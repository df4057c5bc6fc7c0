"""What a front end lends to the verbs, and the exit codes that it hands on."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import click

from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.service import Job, JobService

EXIT_OK = 0
EXIT_JOB_FAILED = 1
EXIT_USAGE = 2
EXIT_SITE = 4
EXIT_ENVIRONMENT = 5
EXIT_TIMED_OUT = 124
EXIT_INTERRUPTED = 130


@dataclass
class Surface:
    """What the front end lends to the verbs. `namespace` is the notebook's, None in a terminal."""

    service: JobService
    namespace: MutableMapping[str, Any] | None = None
    write: Callable[[str], None] = field(default=lambda text: click.echo(text, nl=False))
    exit_code: int = EXIT_OK
    remember: Callable[[dict[str, Any]], None] | None = None
    chosen: Callable[[], dict[str, Any]] = dict

    def job(self, reference: str) -> Job:
        """The notebook's own Job object where it has one, since that remembers what may be overwritten."""
        held = (self.namespace or {}).get(reference)
        if isinstance(held, Job):  # `job`, as `--as job` made it
            return held
        job = self.service.job(reference)
        for value in (self.namespace or {}).values():
            if isinstance(value, Job) and value.id == job.id and value.before is not None:
                return value
        return job


def exit_code(record: JobRecord) -> int:
    if record.state is State.TIMED_OUT:
        return EXIT_TIMED_OUT
    return EXIT_OK if record.state is State.COMPLETED else EXIT_JOB_FAILED
