"""What the job folder itself says about its place in Slurm's queue: claims before sending, ids after, the runner's traces.

Every client process writes a journal of its own, and claims are created exclusively, so that several processes on several
hosts can look after the same job.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import JobFolderError
from qhub_ext.job.identity import split_element
from qhub_ext.jobfolder.atomic import json_bytes, read_json_or_none, read_record_or_none, write_new
from qhub_ext.jobfolder.generation import begin_generation
from qhub_ext.jobfolder.journal import JournalWriter, append_once, read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.sites.scheduler import SITE_JOURNAL

WRITER = f"{SITE_JOURNAL}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Place:
    """`key` is Slurm's id: `123`, or `123_7` for one element of an array."""

    key: str
    first_attempt: int = 1

    @property
    def base(self) -> str:
        return self.key.partition("_")[0]


@dataclass(frozen=True)
class Claim:
    """`torn`: of which attempts it is cannot be read."""

    number: int
    at: float
    first_attempt: int
    torn: bool = False


def root_of(folder: JobFolder) -> JobFolder:
    """Where claims lie: an array is one submission."""
    return JobFolder(folder.bundle_root)


def place_of(folder: JobFolder) -> Place | None:
    """The latest place that a client wrote down."""
    found: tuple[float, Place] | None = None
    events = read_all(folder.journals)
    withdrawn = {event.get("site_id") for event in events if event.get("kind") == "withdrawn"}
    for event in events:
        if event.get("kind") == "state" and event.get("site_id") not in (None, *withdrawn) and "first_attempt" in event:
            moment = float(event.get("at", 0.0))
            if found is None or moment >= found[0]:
                found = (moment, Place(str(event["site_id"]), int(event["first_attempt"])))
    return found[1] if found else None


def launched_as(folder: JobFolder, first_attempt: int) -> str | None:
    """Slurm's number (of an array, that of the whole) under which an attempt of this submission began."""
    for number in folder.attempt_numbers():
        if number >= first_attempt:
            launch = read_record_or_none(folder.attempt(number).launch)
            if launch is not None and str(launch.get("site_id", "")).isdigit():
                return str(launch["site_id"])
    return None


def open_journal(folder: JobFolder) -> JournalWriter:
    """For a place that is about to be known; raises OSError."""
    return JournalWriter(folder.journal(writer()))


def write_place(folder: JobFolder, place: Place, journal: JournalWriter | None = None) -> None:
    told = {
        "state": "queued",
        "attempt": place.first_attempt,
        "site_id": place.key,
        "first_attempt": place.first_attempt,
    }
    if journal is None:
        say(folder, "state", **told)
    else:
        with _unwritable(folder):
            journal.append("state", **told)


def say(folder: JobFolder, kind: str, **fields: Any) -> None:
    with _unwritable(folder):
        append_once(folder.journal(writer()), kind, **fields)


@contextlib.contextmanager
def _unwritable(folder: JobFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JobFolderError(
            f"{folder.path} cannot be written to: {error.strerror}.", where=str(folder.path)
        ) from error


def writer() -> str:
    """Another one after a fork: one writer per file."""
    pid = WRITER.split("-")[1]
    return WRITER if pid == str(os.getpid()) else f"{SITE_JOURNAL}-{os.getpid()}-{WRITER.rpartition('-')[2]}"


def claims(folder: JobFolder) -> list[Claim]:
    root = root_of(folder)
    _, index = split_element(folder.id)
    found = []
    try:
        names = os.listdir(root.sendings)
    except (FileNotFoundError, PermissionError):  # never sent, or another user's
        return []
    for name in names:
        if name.endswith(".json") and name[:-5].isdigit():
            path = root.sending(int(name[:-5]))
            try:
                record = read_json_or_none(path)
            except (
                JobFolderError
            ):  # just begun, or torn when a machine stopped: something is sent, and nobody knows more
                record = {"at": path.stat().st_mtime, "torn": True}
            if isinstance(record, dict) and (index is None or index in record.get("elements", [index])):
                number, first = int(name[:-5]), int(record.get("first_attempt", 1))
                found.append(Claim(number, float(record["at"]), first, torn="torn" in record))
    return sorted(found, key=lambda claim: claim.number)


def make_claim(root: JobFolder, elements: list[int], first_attempt: int) -> Claim | None:
    """The right to send, for one process only; None when another was quicker.

    Written before sbatch gets its script, and not synced, like the rest of the folder: a kill of any process leaves it, a machine that stops
    within seconds may take both. Should it take the claim alone, the job may be queued a second time, and the script's own `launch.json`
    lets only one of the two begin.
    """
    root.sendings.mkdir(mode=0o700, exist_ok=True)
    numbers = [int(name[:-5]) for name in os.listdir(root.sendings) if name.endswith(".json") and name[:-5].isdigit()]
    claim = Claim(max(numbers, default=0) + 1, time.time(), first_attempt)
    record: dict[str, Any] = {"at": claim.at, "client": writer(), "first_attempt": first_attempt}
    if elements:
        record["elements"] = elements
    place = root.sending(claim.number)
    try:
        # under its own name at once: whoever reads it empty knows that somebody sends, and that is what it says
        write_new(place, json_bytes(record))
    except FileExistsError:
        return None
    except OSError:
        place.unlink(missing_ok=True)
        raise
    return claim


def drop_claim(root: JobFolder, claim: Claim) -> None:
    """When Slurm has said no: nothing was queued, and the next may try at once."""
    root.sending(claim.number).unlink(missing_ok=True)


def forget(root: JobFolder, first_attempt: int, folders: Sequence[JobFolder]) -> None:
    """Of jobs that were taken back before they began: as if they had never been sent."""
    for folder in folders:
        place = place_of(folder)
        if place is not None:
            say(folder, "withdrawn", site_id=place.key)
    for claim in claims(folders[0]) if folders else ():
        if claim.first_attempt == first_attempt:
            drop_claim(root, claim)


def refresh(folder: JobFolder) -> None:
    """Listings look again at a job that they may have taken for finished."""
    with contextlib.suppress(OSError):
        begin_generation(folder)
