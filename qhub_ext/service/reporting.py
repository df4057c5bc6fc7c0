"""Brings summaries to the broker: `python -m qhub_ext.service.reporting SHELF`, begun by a runner at its end, and by whoever asks about the fleet.

What is not taken now stays in the outbox. Attempts that had no runner to their end get their summaries here as well.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from qhub_ext.diagnosis.fleet.written import amend_summary, write_summary
from qhub_ext.errors import PreflightError, QhubError
from qhub_ext.job.identity import is_job_id
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outbox import Outbox
from qhub_ext.settings import Settings, current_settings
from qhub_ext.tiers.qpu.brokered import Place, ask_broker

AT_ONCE = 100
SENT_AT_MOST = 2000
"""By one process: what is left goes with the next."""
LOOKED_BACK = 50
"""So many of the latest jobs are looked at for attempts without a summary."""


def send_waiting(place: Place, outbox: Outbox, timeout_s: float = 5.0) -> int:
    """How many the broker took. Raises DeviceError, PreflightError."""
    taken = 0
    while taken < SENT_AT_MOST and (waiting := outbox.waiting(AT_ONCE)):
        body = {"summaries": [record for _, record in waiting]}
        answer = ask_broker(place, "POST", "/v1/summaries", body, timeout_s=timeout_s)
        refused = {int(one["place"]) for one in answer["refused"]}
        for number, (name, _) in enumerate(waiting):
            if number in refused:
                outbox.refuse(name)
            else:
                outbox.sent(name)
        taken += len(waiting) - len(refused)
        if len(waiting) < AT_ONCE:
            break
    return taken


def catch_up(shelf: Path, outbox: Outbox) -> None:
    """Summaries of attempts that ended and have none, as their runner was killed or never began; and of those whose cause the site told since."""
    with contextlib.suppress(FileNotFoundError):
        ids = sorted((path.name for path in shelf.iterdir() if is_job_id(path.name)), reverse=True)[:LOOKED_BACK]
        for job_id in ids:
            folder = JobFolder(shelf / job_id)
            elements = [JobFolder(path) for path in folder.elements.iterdir()] if folder.elements.is_dir() else []
            for one in elements or [folder]:
                _summarise(one, outbox)


def _summarise(folder: JobFolder, outbox: Outbox) -> None:
    for number in folder.attempt_numbers() or [1]:
        attempt = folder.attempt(number)
        is_new = not attempt.summary.exists()
        with contextlib.suppress(OSError, QhubError):  # a folder that cannot be read has no summary
            told = write_summary(folder, number) if is_new else amend_summary(folder, number)
            if told is not None and outbox.wanted:
                outbox.put(folder, attempt, anew=not is_new)


def bring(settings: Settings, shelf: Path) -> int:
    """All that waits, to the broker of the settings. Raises DeviceError, PreflightError."""
    outbox = Outbox(shelf)
    catch_up(shelf, outbox)
    place = settings.broker.shared
    return 0 if place is None or not outbox.wanted else send_waiting(place, outbox)


def main(arguments: list[str]) -> int:
    try:
        bring(current_settings(), Path(arguments[0]))
    except PreflightError as error:
        print(f"qhub: the broker took no summary: {error}", file=sys.stderr)
        return 1
    except (QhubError, OSError):  # it is away: the next job's end brings them
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
