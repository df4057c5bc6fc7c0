"""Whether a task may wait at all: the caps of its profile, its user and its account. Pure; the refusals say the number and the cap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qhub_ext.broker.policy import Policy
from qhub_ext.broker.refusals import NotAllowedError
from qhub_ext.broker.rows import Session
from qhub_ext.broker.slices import shots_of
from qhub_ext.broker.work import Piece, seconds_of

MOST_SLICES = 10_000
"""A week of the device by slices of a minute; the results of all of them are put together at once."""


def hold_against_limits(
    policy: Policy, session: Session, program: str, params: Mapping[str, Any], pieces: Sequence[Piece],
    open_tasks: Callable[[], int],
) -> None:  # fmt: skip
    """Raises NotAllowedError. `open_tasks` counts those of the user; it is asked where there is a cap."""
    profile = policy.profile(session.profile)

    def cap(what: str) -> float | None:
        return policy.limits.cap(profile, what, user=session.user, account=session.account)

    queued, shots_cap, seconds_cap = cap("user_queued"), cap("shots"), cap("task_s")
    if queued is not None and open_tasks() >= queued:
        raise NotAllowedError(
            f"You have {queued:g} task{'' if queued == 1 else 's'} waiting, the most that the profile {profile.name} allows.",
            advice="Wait for some to end, or send several circuits as the PUBs of one task.",
        )
    shots = shots_of(program, params)
    if shots_cap is not None and shots > shots_cap:
        raise NotAllowedError(
            f"A PUB asks for {shots:,} shots; the profile {profile.name} allows {shots_cap:,.0f}.",
            advice="Ask for fewer, or for another profile.",
        )
    seconds = seconds_of(pieces)
    slices = seconds / max(policy.slice_s - policy.overhead_s, 1e-3)
    if slices > MOST_SLICES:
        raise NotAllowedError(
            f"The task needs some {seconds:,.0f} s of QPU, which is {slices:,.0f} slices; a task may have {MOST_SLICES:,}.",
            advice="Split it.",
        )
    if seconds_cap is not None and seconds > seconds_cap:
        raise NotAllowedError(
            f"The task needs some {seconds:.0f} s of QPU; the profile {profile.name} allows {seconds_cap:.0f} s.",
            advice="Split it, or ask for another profile.",
        )
