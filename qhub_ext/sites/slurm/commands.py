"""One Slurm command: an argument list, a deadline, a clean environment, no shell."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.errors import SiteError, SiteUnreachableError
from qhub_ext.sites.slurm.apart import move_apart

# What sbatch takes over from the process that happens to submit, and hands to the job. SBATCH_*, SQUEUE_* and the like would
# change our options behind our back, SLURM_* of an enclosing job even more so; secrets of the notebook have no place in the
# site's database. What a job needs of its notebook travels in its runtime.json.
_KEPT = (
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SLURM_CONF",
    "SLURM_JWT",
)
_KEPT_PREFIXES = ("LC_", "XDG_", "MODULE")

_NO_ANSWER = re.compile(
    r"socket timed out|zero bytes were transmitted|unable to contact slurm controller|connection (refused|reset)"
    r"|communication connection failure|insane message length|transport endpoint|message (send|receive) failure"
    r"|controller in standby|unable to establish (controller|configuration source)|unexpected message"
    r"|munge|authentication|no route to host|host is down|temporarily unable|resource temporarily"
    r"|unable to contact slurmdbd|problem talking to the database|slurm_persist_conn|slurmdb_|sending persist",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answer:
    """`code` is None for a command that was ended at its deadline, negative for one that a signal ended."""

    code: int | None
    output: str
    errors: str
    took_s: float

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def sentence(self) -> str:
        """Slurm's own words without its decoration, in one line."""
        lines = (re.sub(r"^\w+: (error: )?", "", line.strip()) for line in self.errors.splitlines())
        return " ".join(line for line in lines if line)[:400]

    @property
    def silent(self) -> bool:
        """Nobody answered: it says nothing about the request."""
        return self.code is None or self.code < 0 or bool(_NO_ANSWER.search(self.errors))


class Commands:
    def __init__(self, folder: Path | None, timeout_s: float) -> None:
        self._folder = folder
        self.timeout_s = timeout_s
        self.keeps_books = True
        """Until it says itself that it has no accounting."""

    def run(
        self,
        name: str,
        *arguments: str,
        stdin: str | None = None,
        extra: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Raises SiteError when the command does not exist; every other failure is an Answer."""
        return self.start(name, *arguments, extra=extra, waits=stdin is not None).finish(
            stdin, timeout_s or self.timeout_s
        )

    def start(self, name: str, *arguments: str, extra: Mapping[str, str] | None = None, waits: bool = False) -> Running:
        """`waits`: it gets its stdin later, with `finish`. Raises SiteError when the command does not exist."""
        command = str(self._folder / name) if self._folder else name
        try:
            process = subprocess.Popen(
                [command, *arguments],
                stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**clean_environment(os.environ), **(extra or {})},
                cwd="/",
                start_new_session=True,  # a wrapper's children end with it, and a Ctrl-C in the kernel does not reach it
            )
        except OSError as error:
            raise SiteError(
                f"{command} cannot be started: {error.strerror}.",
                advice="Is Slurm installed on this machine, and its folder on PATH or in slurm.commands of qhub.toml?",
            ) from error
        return Running(process, arguments, extra or {})


class Running:
    """A command under way. Whoever has started it finishes or ends it."""

    def __init__(self, process: subprocess.Popen[bytes], arguments: Sequence[str], extra: Mapping[str, str]) -> None:
        self._process = process
        self.started_with = (tuple(arguments), dict(extra))

    def move_apart(self) -> None:
        """For one that is to work beside this process."""
        move_apart(self._process.pid)

    def finish(
        self,
        stdin: str | None,
        timeout_s: float,
        enough: re.Pattern[bytes] | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Answer:
        """`enough`: when this is the first that it says, it has done what it was asked for, and its end is not waited for.
        `meanwhile` is done while it works."""
        process, began, first = self._process, time.monotonic(), b""
        try:
            rest = self._write(stdin)
            if enough is not None and rest is None:
                first = self._first_words(timeout_s, meanwhile)
                if enough.fullmatch(first):
                    _leaving.append(process)
                    return Answer(0, _decode(first), "", time.monotonic() - began)
            _see_off()
            output, errors = process.communicate(rest, timeout=max(0.0, began + timeout_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.end()
            return Answer(None, "", f"no answer after {time.monotonic() - began:.0f} s", time.monotonic() - began)
        except BaseException:
            self.end()
            raise
        return Answer(process.returncode, _decode(first + output), _decode(errors), time.monotonic() - began)

    def _write(self, stdin: str | None) -> bytes | None:
        """Into the empty pipe in one call, so that the other reads all or nothing should this process be killed meanwhile.
        Returns what the pipe is too small for."""
        if stdin is None or self._process.stdin is None:
            return None
        data = stdin.encode("utf-8", "surrogateescape")
        if len(data) > fcntl.fcntl(self._process.stdin, fcntl.F_GETPIPE_SZ):
            try:
                fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, len(data))
            except OSError:  # over /proc/sys/fs/pipe-max-size
                return data
        with contextlib.suppress(BrokenPipeError):  # it has ended; its answer says why
            self._process.stdin.write(data)
        return None

    def _first_words(self, timeout_s: float, meanwhile: Callable[[], None]) -> bytes:
        """What it says after the end of its stdin; empty when it ends, or is silent for so long."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
            process.stdin = None  # `communicate` would look at it once more
        meanwhile()
        _see_off()
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], timeout_s)
        return os.read(process.stdout.fileno(), 4096) if ready else b""

    def end(self) -> None:
        """Kills it, with the children of a wrapper; one that still waits for its stdin has done nothing."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


_leaving: deque[subprocess.Popen[bytes]] = deque()
"""Commands that have answered, and were not waited for."""


def _see_off() -> None:
    for _ in range(len(_leaving)):
        try:
            process = _leaving.popleft()
        except IndexError:  # another thread was quicker
            return
        if process.poll() is None:
            _leaving.append(process)
            continue
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _decode(output: bytes) -> str:
    return output.decode("utf-8", "replace")


def portions(words: Iterable[str], most: int = 1000) -> Iterator[list[str]]:
    """So many at a time: an argument has 128 KiB at most."""
    every = list(words)
    for start in range(0, len(every), most):
        yield every[start : start + most]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    # names first: each value that is looked at has to be decoded
    kept = [name for name in environment if name in _KEPT or name.startswith(_KEPT_PREFIXES)]
    # times as seconds since 1970; lists of array elements unabridged
    return {**{name: environment[name] for name in kept}, "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}


_NO_CLUSTER = re.compile(
    r"[Cc]ould not establish a configuration source|failed to fetch config|DNS SRV lookup failed|Unable to process configuration file"
)


def no_cluster(verb: str, answer: Answer) -> tuple[str, str] | None:
    """(message, advice) of a command that knows of no cluster, or cannot read how to reach it; None when that is not its trouble."""
    if answer.ok or not _NO_CLUSTER.search(answer.errors):
        return None
    named = os.environ.get("SLURM_CONF")
    if named:
        return f"{verb} cannot read {named}, which SLURM_CONF names.", "Set it to the path of the cluster's slurm.conf."
    return (
        f"{verb} finds no cluster from here: there is no slurm.conf, and SLURM_CONF names none.",
        "Work on a login node of the cluster, or set SLURM_CONF to the path of its slurm.conf.",
    )


def unreachable(verb: str, answer: Answer) -> SiteUnreachableError:
    nowhere = no_cluster(verb, answer)
    if nowhere is not None:
        return SiteUnreachableError(nowhere[0], advice=nowhere[1])
    code = answer.code or 0
    said = answer.sentence or (f"it was ended by signal {-code}" if code < 0 else "it said nothing")
    return SiteUnreachableError(
        f"Slurm did not answer {verb}: {said}.",
        advice="Ask again in a while; `qhub doctor` looks into it.",
    )
