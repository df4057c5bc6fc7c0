"""Variables of a job brought into a notebook: never over a value that changed there since the job was submitted."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.fingerprint import changed, fingerprint
from qhub_ext.errors import CaptureError, QhubError, UnknownNameError
from qhub_ext.job.identity import short_id
from qhub_ext.service.results import not_yet

if TYPE_CHECKING:
    from qhub_ext.service.job import Job


@dataclass(frozen=True)
class Fetched:
    """`names` are in the notebook now; `stays` says of each other one why it was left as it is."""

    names: list[str]
    stays: dict[str, str]


def fetch(
    job: Job,
    namespace: MutableMapping[str, Any],
    names: Mapping[str, str] | None,
    marks: MutableMapping[str, str | None],
    *,
    force: bool,
) -> Fetched:
    """`marks` are the fingerprints of what the notebook held when the job was submitted, or was brought from it since."""
    record = job.record
    if not record.state.final:
        raise not_yet(job.id, record.state, "its variables have")
    available = sorted(job.results())
    wanted = dict(names) if names else {n: n for n in available}
    for name in wanted:
        if name not in available:
            _absent(job, name, available)
    # before any value is loaded, which makes classes of this notebook anew
    others = changed({here: marks.get(here) for here in wanted.values() if here in namespace}, namespace)
    values, failed = {}, {}
    for there, here in wanted.items():
        try:
            values[here] = job[there]
        except QhubError as error:
            failed[here] = error
    stays = {here: str(error) for here, error in failed.items()}
    if stays and not values:
        told = list(dict.fromkeys(stays.values()))
        raise next(iter(failed.values())) if len(told) == 1 else CaptureError(" ".join(told))
    if not force:
        stays |= _in_the_way(job, {here: value for here, value in values.items() if here in others}, namespace)
    brought = {here: value for here, value in values.items() if here not in stays}
    namespace.update(brought)
    marks.update(fingerprint(brought, brought))
    return Fetched(sorted(brought), stays)


def _in_the_way(job: Job, values: Mapping[str, Any], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Of names that hold something else than when the job was submitted: those that hold something else than what the job brings."""
    called = short_id(job.id)
    told = f"changed in the notebook since job {called} was submitted"
    if job.before is None:
        told = f"exists, and this kernel does not know what it was when job {called} was submitted"
    unlike = sorted(changed(fingerprint(values, values), namespace))
    return {here: f"{here!r} {told}, and stays as it is. {_way_out(called, here)}" for here in unlike}


def _way_out(job: str, name: str) -> str:
    return (
        f"`%qpu fetch {job} {name}=other` brings the job's under another name, --force brings it over the notebook's."
    )


def _absent(job: Job, name: str, available: list[str]) -> None:
    element = job.elements[0] if job.size else job
    element[name]  # says why
    raise UnknownNameError.among("variable", name, available)
