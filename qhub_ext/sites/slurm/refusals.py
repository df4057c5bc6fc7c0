"""What sbatch says when it takes a job not in: whose slip or whose rule that is. Nothing was queued then."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qhub_ext.errors import Audience, Cause, SiteError
from qhub_ext.job.spec import JobSpec
from qhub_ext.sites.slurm.commands import Answer, refused

_DOCTOR = "`qhub doctor` compares qhub.toml with the cluster: partition, account, QOS, licences."
# names that the cluster does not have: (Slurm's words, the site option that would have given the name)
_NAMES = (
    (r"[Ii]nvalid partition", "partition"),
    (r"Invalid license", "licenses"),
    (r"Invalid generic resource|Invalid Trackable RESource", "gres"),
)
_RULES = re.compile(
    r"[Ii]nvalid (qos|account|feature)|accounting/QOS policy|reservation is invalid|Access denied to requested reservation|partition not available"
    r"|node configuration is not available|not permitted|time limit is invalid|More processors requested than permitted|Node count specification"
)
_FULL = re.compile(r"I/O error writing script")


def refusal_of(spec: JobSpec, answer: Answer) -> SiteError:
    said = f"{answer.errors} {answer.output}"
    if _FULL.search(said):
        return SiteError(
            "Slurm could not take the job in: the disk of slurmctld is full. Nothing was queued.",
            advice="Ask the site to make room, then submit again.",
        )
    error = refused("the job", answer)
    memory = f" and {spec.memory_mb} MiB" if spec.memory_mb else ""
    told = SiteError(f"{error.message} It asks for {spec.cpus} CPUs{memory} for {spec.time_s} s. Nothing was queued.", advice=_DOCTOR)  # fmt: skip
    told.cause, told.audience = _cause(said, spec.site_options)
    return told


def _cause(said: str, chosen: Mapping[str, str]) -> tuple[Cause, Audience]:
    """A name that the line gave is a slip in the line; one of qhub.toml is the site's or the user's configuration."""
    for pattern, option in _NAMES:
        if re.search(pattern, said):
            return (Cause.CODE, Audience.YOU) if option in chosen else (Cause.INTEGRATION, Audience.YOU)
    return (Cause.QUEUE_POLICY, Audience.YOU) if _RULES.search(said) else (Cause.INTEGRATION, Audience.SITE)
