"""One fault: how it is made to happen, and which cause its explanation must name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qhub_ext.service import Job
from qhub_ext.service.draft import Draft

if TYPE_CHECKING:
    from tests.diagnosis.corpus.place import Place

NOTHING = ""
"""A job about which there is nothing to explain."""


def is_final(job: Job) -> bool:
    return job.service.shelf.record(job.id).state.final


def at_the_device(job: Job) -> bool:
    """It waits there, and has said why."""
    return job.service.shelf.record(job.id).attempt.phase == "device"


def at_the_broker(job: Job) -> bool:
    return job.service.waits_at_broker(job.id) != ""


def waits(job: Job) -> bool:
    return job.service.record(job.id).state.waiting


def waits_for(*words: str) -> Callable[[Job], bool]:
    """It waits, and the site's own word for why begins so."""

    def until(job: Job) -> bool:
        found = job.service.site("slurm").poll([job.id]).get(job.id)
        return found is not None and found.state.waiting and found.reason.startswith(words)

    return until


@dataclass(frozen=True)
class Case:
    """`shape` makes of a draft what another notebook, machine or clock would have made of it. `fault` is a switch of a virtual QPU that
    stands for the device of this job alone; `config` more lines of its qhub.toml. `act` is done to the job once it is submitted, `meanwhile` once all cases
    are; it is looked at when `until` says so. `clock_s`: by how much the clock of the place of submission is ahead. `held_out`: not looked at while the rules were written. `rules` are the names that the best finding may have.
    """

    name: str
    cause: str
    cell: str = "x = 1"
    options: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    shape: Callable[[Draft], Draft] | None = None
    fault: Mapping[str, Any] | None = None
    resource: Mapping[str, str] | None = None
    config: str = ""
    where: str = "wide"
    prepare: Callable[[Place], None] | None = None
    act: Callable[[Job, Place], None] | None = None
    meanwhile: Callable[[Job, Place], None] | None = None
    until: Callable[[Job], bool] = is_final
    rules: tuple[str, ...] = ()
    held_out: bool = False
    clock_s: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
