"""The specification of a job: what was asked for, over what the settings say."""

from __future__ import annotations

import getpass
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import CaptureError
from qhub_ext.job.identity import element_id, new_job_id
from qhub_ext.job.spec import Element, JobSpec
from qhub_ext.service.measure import measure
from qhub_ext.service.profiles import check_profile
from qhub_ext.tiers.seeds import fresh_seed

if TYPE_CHECKING:
    from qhub_ext.capture.request import Request
    from qhub_ext.settings import Settings

NAME_AT_MOST = 40


def specify(
    request: Request,
    cell: str,
    settings: Settings,
    kind: str,
    file: str,
    arguments: Sequence[str],
) -> JobSpec:
    limits = settings.limits
    now = time.time()
    if request.profile is not None:
        check_profile(request.profile, settings)
    tier = request.tier or settings.tier
    site = request.site or settings.site_of(tier)
    given = measure(request, tier, site, settings)
    return JobSpec(
        id=new_job_id(),
        name=job_name(request.name, cell),
        tier=tier,
        device=request.device or settings.device,
        created_at=now,
        owner=_user(),
        kind=kind,
        profile=request.profile or settings.profile,
        site=site,
        shots=request.shots or settings.shots,
        seed=request.seed,
        drawn_seed=fresh_seed(),
        time_s=given.time_s,
        cpus=given.cpus,
        memory_mb=given.memory_mb,
        inputs=tuple(request.inputs),
        outputs=tuple(request.outputs) if request.outputs else None,
        after=tuple(request.after),
        directory=_here(),
        file=file,
        arguments=tuple(arguments),
        output_limit_mb=limits.output_mb,
        variable_limit_mb=limits.variable_mb,
        grace_s=limits.grace_s,
        cold=request.cold,
        profile_classical=request.profile_classical,
        profile_sampled=request.profile_sampled,
        site_options=_site_options(request),
        requested=request.given,
    )


def placed(spec: JobSpec, runtime: dict[str, Any], settings: Settings) -> JobSpec:
    """With the Python that runs it, and how that is started."""
    digest = str(runtime.get("environment_digest", ""))
    if spec.tier not in settings.runtimes:
        return replace(spec, python=sys.executable, environment_digest=digest)
    from qhub_ext.reproduce.runtimes import launched

    return replace(spec, environment_digest=digest, **launched(spec.tier, None, runtime, settings))


def elements_of(spec: JobSpec, points: Sequence[dict[str, Any]]) -> tuple[JobSpec, ...]:
    return tuple(
        replace(spec, id=element_id(spec.id, n), element=Element(spec.id, n, dict(point)))
        for n, point in enumerate(points)
    )


def job_name(asked: str | None, cell: str) -> str:
    """The name that was asked for, else the first line that says something."""
    if asked is not None:
        return asked
    for line in cell.splitlines():
        text = re.sub(r"^#\s*", "", line.strip())
        if text and not text.startswith(("import ", "from ", "%", '"""')):
            return text if len(text) <= NAME_AT_MOST else f"{text[: NAME_AT_MOST - 1]}…"
    return "cell"


def _site_options(request: Request) -> dict[str, str]:
    named = {"account": request.account, "partition": request.partition}
    return {key: value for key, value in named.items() if value is not None} | request.site_options


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise CaptureError(
            "The folder that this was started in is gone, and the job would run there: nothing was submitted.",
            advice="Go to another folder: `cd` in a terminal, os.chdir in a notebook.",
        ) from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a uid without a name, as in some containers
        return str(os.getuid())
