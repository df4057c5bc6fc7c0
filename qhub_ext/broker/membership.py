"""Whose job it is and what the site gives it: the profile is the site scheduler's word, by QOS, partition and account."""

from __future__ import annotations

import pwd
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from qhub_ext.broker.profiles import Profile, Rule, profile_of
from qhub_ext.broker.refusals import NotAllowedError
from qhub_ext.errors import SiteUnreachableError, UnknownNameError

ASK_S = 20.0
_ALIVE = frozenset({"R", "CG", "CF", "PD", "S", "ST", "SI", "SO", "RS", "RQ", "RD", "RF", "RH", "SE"})
"""States in which a job still has something before it; one that is suspended or put back keeps its sessions."""
_COLUMNS = ((0, 40), (40, 80), (80, 160), (160, 240), (240, 320), (320, 340))


@dataclass(frozen=True)
class Member:
    profile: str
    account: str


class Membership(Protocol):
    @property
    def kind(self) -> str:
        """Whose word counts: `slurm`, or `one user`."""

    def would(self, profile: str, qos: str, partition: str, account: str) -> str:
        """The profile that such a job would have. Raises UnknownNameError."""

    def find(self, uid: int, job: str, profile: str, account: str) -> Member:
        """Raises NotAllowedError for a job that is not this user's, or does not run."""

    def gone(self, jobs: Iterable[tuple[int, str]]) -> set[str]:
        """Those of (uid, job) that have ended; none where the site does not say."""


@dataclass(frozen=True)
class OneUser:
    """A laptop's broker, for the user who started it: there is nobody to take precedence over, so the word of the user counts."""

    profiles: Mapping[str, Profile]
    kind: ClassVar[str] = "one user"

    def would(self, profile: str, qos: str, partition: str, account: str) -> str:  # noqa: ARG002 - the protocol's
        wanted = profile or profile_of((), self.profiles)
        if wanted not in self.profiles:
            raise UnknownNameError.among("profile", wanted, list(self.profiles))
        return wanted

    def find(self, uid: int, job: str, profile: str, account: str) -> Member:  # noqa: ARG002 - the protocol's
        return Member(self.would(profile, "", "", account), account)

    def gone(self, jobs: Iterable[tuple[int, str]]) -> set[str]:  # noqa: ARG002 - the protocol's
        return set()


@dataclass(frozen=True)
class SlurmJobs:
    """Asks the cluster about each job once it opens a session."""

    profiles: Mapping[str, Profile]
    rules: Sequence[Rule]
    kind: ClassVar[str] = "slurm"

    def would(self, profile: str, qos: str, partition: str, account: str) -> str:  # noqa: ARG002 - the protocol's
        return profile_of(self.rules, self.profiles, qos=qos, partition=partition, account=account)

    def find(self, uid: int, job: str, profile: str, account: str) -> Member:  # noqa: ARG002 - the site's word on the account counts alone
        if not job.isdigit():
            raise NotAllowedError(f"{job!r} is no job of Slurm.", advice="Open the session inside a job.")
        command = [
            "squeue",
            "--noheader",
            "--jobs",
            job,
            "--Format",
            "JobID:40,UserID:40,QOS:80,Partition:80,Account:80,StateCompact:20",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=ASK_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SiteUnreachableError(f"Slurm did not say whose job {job} is: {error}.") from error
        # an array's number is that of one of its elements, too, and then all of them are listed, that one anywhere among them
        rows = [[line[a:b].strip() for a, b in _COLUMNS] for line in done.stdout.splitlines()]
        found = next((rest for number, *rest in rows if number == job), None)
        if done.returncode or found is None:
            raise NotAllowedError(f"Slurm knows no running job {job}.")
        owner, qos, partition, its_account, state = found
        if owner != str(uid):
            raise NotAllowedError(f"The job {job} is not one of {user_name(uid)}'s.")
        if state not in ("R", "CG"):
            raise NotAllowedError(f"The job {job} is not running ({state}).")
        return Member(self.would(profile, qos, partition, its_account), its_account)

    def gone(self, jobs: Iterable[tuple[int, str]]) -> set[str]:
        """Asked once for all. A job that the cluster does not list any more has ended, where it answered at all."""
        wanted = {job for _, job in jobs}
        if not wanted:
            return set()
        command = ["squeue", "--noheader", "--states=all", "--jobs", ",".join(sorted(wanted)), "--Format", "JobID:40,StateCompact:20"]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=ASK_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return set()
        if done.returncode and "Invalid job id" not in done.stderr:
            return set()
        lines = [line.split() for line in done.stdout.splitlines()]
        alive = {words[0] for words in lines if len(words) == 2 and words[1] in _ALIVE}
        return wanted - alive


class Timed:
    """Another membership, with how often the site was asked and how long that took together."""

    def __init__(self, asked: Membership) -> None:
        self._asked = asked
        self.kind = asked.kind
        self.calls, self.seconds = 0, 0.0

    def would(self, profile: str, qos: str, partition: str, account: str) -> str:
        return self._asked.would(profile, qos, partition, account)

    def find(self, uid: int, job: str, profile: str, account: str) -> Member:
        with self._timed():
            return self._asked.find(uid, job, profile, account)

    def gone(self, jobs: Iterable[tuple[int, str]]) -> set[str]:
        with self._timed():
            return self._asked.gone(jobs)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.calls += 1
            self.seconds += time.monotonic() - began


def user_name(uid: int) -> str:
    """Its number where no name is known."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
