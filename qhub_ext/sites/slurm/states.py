"""Every state word of Slurm (22.05 to 26.05), as squeue and sacct print them: where the job is for us, and why.

Base states are what `JobState` holds; flags such as COMPLETING stand above them while something is under way. A word that is not
here is shown as it is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.sites.slurm.sentences import says_held


@dataclass(frozen=True)
class StateWord:
    """`ended`: this attempt will not run any more. `again`: Slurm begins a new one by itself."""

    state: State
    sentence: str
    cause: Cause | None = None
    advice: str = ""
    audience: str = "site"
    ended: bool = False
    again: bool = False


STATES: dict[str, StateWord] = {
    "PENDING": StateWord(State.QUEUED, "It waits for its turn."),
    "UNINITIALISED": StateWord(State.SUBMITTED, "Slurm has a number for it and has not taken it in yet."),
    "CONFIGURING": StateWord(State.STARTING, "Its nodes are being made ready."),
    "RUNNING": StateWord(State.RUNNING, "It runs."),
    "SUSPENDED": StateWord(State.RUNNING, "Slurm has suspended it; it goes on later.", Cause.QUEUE_POLICY),
    "STOPPED": StateWord(State.RUNNING, "It was stopped by a signal and keeps its nodes."),
    "SIGNALING": StateWord(State.RUNNING, "A signal is on its way to it."),
    "RESIZING": StateWord(State.RUNNING, "Its allocation is changing size."),
    "COMPLETING": StateWord(State.FINISHING, "It has ended and its nodes are being cleaned up."),
    "STAGE_OUT": StateWord(State.FINISHING, "Its files are being staged out."),
    "UPDATE_DB": StateWord(State.FINISHING, "Its record is being updated."),
    "EXPEDITING": StateWord(State.QUEUED, "It is about to be started again, ahead of others."),
    "POWER_UP_NODE": StateWord(State.STARTING, "Its nodes are being powered up."),
    "REQUEUED": StateWord(State.QUEUED, "It was put back into the queue.", Cause.QUEUE_POLICY, again=True),
    "REQUEUE_FED": StateWord(State.QUEUED, "A cluster of the federation is putting it back into its queue."),
    "REQUEUE_HOLD": StateWord(
        State.HELD, "It was put back into the queue and is held.", Cause.QUEUE_POLICY, "Release it to run it again."
    ),
    "SPECIAL_EXIT": StateWord(
        State.HELD,
        "It ended in a way that the site marks as special, and is held.",
        Cause.QUEUE_POLICY,
        "Ask the site.",
    ),
    "RESV_DEL_HOLD": StateWord(
        State.HELD,
        "Its reservation was deleted, and it is held.",
        Cause.QUEUE_POLICY,
        "Submit it without the reservation.",
    ),
    "COMPLETED": StateWord(State.COMPLETED, "Its script ended with exit code 0.", ended=True),
    "FAILED": StateWord(State.FAILED, "Its script ended with an error.", ended=True),
    "TIMEOUT": StateWord(
        State.TIMED_OUT,
        "It reached its time limit and was killed before it could seal its results.",
        Cause.RESOURCES,
        "Ask for more with --time.",
        "you",
        ended=True,
    ),
    "DEADLINE": StateWord(
        State.TIMED_OUT, "Its deadline passed.", Cause.QUEUE_POLICY, "Ask for a later deadline.", "you", ended=True
    ),
    "OUT_OF_MEMORY": StateWord(
        State.FAILED,
        "It used more memory than it was given, and was killed.",
        Cause.RESOURCES,
        "Ask for more memory with --memory, or let the cell hold less at a time.",
        "you",
        ended=True,
    ),
    "CANCELLED": StateWord(State.CANCELLED, "It was cancelled.", Cause.USER, audience="you", ended=True),
    "PREEMPTED": StateWord(
        State.CANCELLED,
        "A job with a stronger claim took its place.",
        Cause.QUEUE_POLICY,
        "Submit it under a profile that is not preempted, or requeue it.",
        ended=True,
    ),
    "NODE_FAIL": StateWord(
        State.FAILED,
        "A node that it ran on failed.",
        Cause.INTEGRATION,
        "Requeue it; the site sees to the node.",
        ended=True,
    ),
    "BOOT_FAIL": StateWord(
        State.FAILED,
        "A node for it did not start.",
        Cause.INTEGRATION,
        "Requeue it; the site sees to the node.",
        ended=True,
    ),
    "LAUNCH_FAILED": StateWord(
        State.FAILED,
        "Slurm could not start its script.",
        Cause.INTEGRATION,
        "Ask the site to look at the node.",
        ended=True,
    ),
    "RECONFIG_FAIL": StateWord(
        State.FAILED, "A node could not be set up for it.", Cause.INTEGRATION, "Requeue it.", ended=True
    ),
    "REVOKED": StateWord(State.CANCELLED, "Another cluster of the federation took it.", Cause.QUEUE_POLICY, ended=True),
}

SHORT = {
    "PD": "PENDING", "CF": "CONFIGURING", "R": "RUNNING", "S": "SUSPENDED", "ST": "STOPPED", "SI": "SIGNALING",
    "RS": "RESIZING", "CG": "COMPLETING", "SO": "STAGE_OUT", "UD": "UPDATE_DB", "EX": "EXPEDITING", "PU": "POWER_UP_NODE",
    "RQ": "REQUEUED", "RF": "REQUEUE_FED", "RH": "REQUEUE_HOLD", "SE": "SPECIAL_EXIT", "RD": "RESV_DEL_HOLD",
    "CD": "COMPLETED", "F": "FAILED", "TO": "TIMEOUT", "DL": "DEADLINE", "OOM": "OUT_OF_MEMORY", "CA": "CANCELLED",
    "PR": "PREEMPTED", "NF": "NODE_FAIL", "BF": "BOOT_FAIL", "LF": "LAUNCH_FAILED", "RV": "REVOKED",
}  # fmt: skip

HELD_REASONS = frozenset({"JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "ReservationDeleted"})


@functools.lru_cache(maxsize=1024)
def read_state(word: str, reason: str = "") -> StateWord:
    """For `CANCELLED by 1001`, `CANCELLED+`, short forms, and words that nobody has told us about."""
    first = word.split()[0].rstrip("+") if word.split() else ""
    known = STATES.get(SHORT.get(first, first))
    if known is None:
        return StateWord(
            State.SUBMITTED, f"Slurm says {word or 'nothing'}, which this version of qhub_ext does not know."
        )
    if known.state is State.QUEUED and (reason in HELD_REASONS or says_held(reason)):
        return StateWord(State.HELD, known.sentence, known.cause, known.advice, known.audience)
    return known
