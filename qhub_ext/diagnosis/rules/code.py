"""The error that ended the cell: its own, or one that met it from its surroundings."""

from __future__ import annotations

import difflib
import errno
import re
import sys

from qhub_ext.diagnosis.evaluation import Rules
from qhub_ext.diagnosis.evidence import Clue, Confidence, Evidence, Finding, Raised
from qhub_ext.errors import Audience, Cause

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_USED_UP = {errno.EMFILE: "open files", errno.ENFILE: "open files of the machine", errno.EAGAIN: "processes", errno.ENOMEM: "memory"}  # fmt: skip
_FILE_SYSTEM = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENXIO, errno.EREMOTEIO}
_NETWORK = {
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
}
_NETWORK_KINDS = {
    "gaierror",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "ConnectError",
    "ConnectTimeout",
    "URLError",
}
_MEMORY = re.compile(
    r"[Ii]nsufficient memory|std::bad_alloc|[Cc]annot allocate memory|Unable to allocate|[Oo]ut of memory"
)
_NOT_FOUND = re.compile(r"Can't get attribute '([\w.]+)' on <module '__main__'")
_LOCKED = re.compile(r"database is locked|No locks available")


def package_missing(seen: Evidence) -> Finding | None:
    if not any("ModuleNotFoundError" in error.kinds for error in seen.met):
        return None
    name = str(seen.facts.get("module") or _quoted(next(e.text for e in seen.met if "ModuleNotFoundError" in e.kinds)))
    top = name.partition(".")[0]
    packages = {key.lower().replace("-", "_"): version for key, version in (seen.runtime.get("packages") or {}).items()}
    clues = list(seen.in_traceback())
    if (unshared := _directory_not_shared(seen, f"The module {name!r} was not found")) is not None:
        return unshared
    if top.lower() in packages:
        version = packages[top.lower()]
        clues.append(Clue(f"{top} {version}", seen.place(seen.folder.runtime), "runtime"))
        sentence = f"The package {top!r} is not installed where the job ran; where it was submitted it is {version}."
        return Finding(
            "package missing",
            Cause.ENVIRONMENT,
            sentence,
            tuple(clues),
            advice="Install it in the environment that runs the job.",
        )
    near = difflib.get_close_matches(top, [*packages, *sys.stdlib_module_names], n=1, cutoff=0.85)
    advice = "Install it in the environment that runs the job, or submit from a kernel of that environment."
    if near:
        advice = f"Is {near[0]!r} meant? If not: {advice[0].lower()}{advice[1:]}"
    sentence = f"There is no module {name!r} where the job ran."
    return Finding("package missing", Cause.ENVIRONMENT, sentence, tuple(clues), advice=advice)


def package_other(seen: Evidence) -> Finding | None:
    """A name that a package does not have: another version, or a slip."""
    error = next((e for e in seen.met if e.kind in ("ImportError", "AttributeError")), None)
    if error is None or not error.text.startswith(("cannot import name", "module '")):
        return None
    package = (_quoted(error.text, 1) if error.kind == "ImportError" else _quoted(error.text)).partition(".")[0]
    differs = next(
        (n for n in seen.notes if package and re.search(rf"\b{re.escape(package)}\b", n) and re.search(r"\d+\.\d+", n)),
        None,
    )
    if differs is None:
        return None
    clues = (*seen.in_traceback(), seen.in_outcome(differs, "runtime"))
    sentence = f"{error.kind}: {error.text.splitlines()[0]}. The versions of {package} differ between the notebook and the job."
    return Finding(
        "package differs",
        Cause.ENVIRONMENT,
        sentence,
        clues,
        advice=f"Use the same version of {package} on both sides.",
        confidence=Confidence.LIKELY,
    )


def not_found_by_processes(seen: Evidence) -> Finding | None:
    """A pool of spawned processes goes on starting new ones, and waits; an executor gives up."""
    waited = seen.state == "timed_out"
    if not waited and not any("BrokenProcessPool" in error.kinds for error in seen.raised):
        return None
    hit = next(((number, found) for number, line in reversed(seen.printed) if (found := _NOT_FOUND.search(line))), None)
    if hit is None:
        return None
    number, found = hit
    sentence = f"Processes that the cell started did not find its `{found[1]}`: one that is spawned knows modules, and nothing of a notebook."
    return Finding(
        "not found by processes",
        Cause.CODE,
        f"{sentence} It waited for them until its wall time of {seen.record.spec.time_s} s." if waited else sentence,
        (Clue(found[0], seen.place(seen.attempt.outputs, number), "outputs"), *seen.in_traceback()),
        advice='Put the function into a module and import it, or start them by multiprocessing.get_context("fork").',
    )  # fmt: skip


def memory(seen: Evidence) -> Finding | None:
    hit = next(
        (e for e in seen.met if "MemoryError" in e.kinds or e.kind == "_ArrayMemoryError" or _MEMORY.search(e.text)),
        None,
    )
    if hit is None:
        return None
    given = seen.record.spec.memory_mb
    clues = (
        *seen.in_traceback(),
        *([Clue(f"memory {given} MiB", seen.place(seen.folder.spec), "code")] if given else []),
    )
    told = f" The job was given {given} MiB." if given else ""
    exact = "MemoryError" in hit.kinds or hit.kind == "_ArrayMemoryError"
    return Finding(
        "memory", Cause.RESOURCES, f"The cell needed more memory than there was.{told}", clues,
        advice="Ask for more memory, or let the cell hold less at a time.", confidence=Confidence.SURE if exact else Confidence.LIKELY,
    )  # fmt: skip


def disk(seen: Evidence) -> Finding | None:
    hit = next((e for e in seen.met if e.errno in _NO_ROOM), None)
    if hit is None:
        return None
    return Finding(
        "disk full",
        Cause.RESOURCES,
        f"A file system or quota was full: {hit.text}.",
        seen.in_traceback(),
        advice="Make room on that file system, or in your quota.",
    )


def used_up(seen: Evidence) -> Finding | None:
    hit = next((e for e in seen.met if e.errno in _USED_UP), None)
    if hit is None:
        return None
    what = _USED_UP[int(hit.errno or 0)]
    return Finding(
        "limit of the system",
        Cause.RESOURCES,
        f"The job had as many {what} as it may: {hit.text}.",
        seen.in_traceback(),
        advice=f"Let the cell use fewer {what}." if what != "memory" else "Ask for more memory.",
    )


def file_system(seen: Evidence) -> Finding | None:
    hit = next((e for e in seen.met if e.errno in _FILE_SYSTEM or _LOCKED.search(e.text)), None)
    if hit is None:
        return None
    return Finding(
        "file system", Cause.INTEGRATION, f"A file system failed under the cell: {hit.text}.", seen.in_traceback(), Audience.SITE,
        "Try again; if it stays so, tell the site which node and which path.", again=True, confidence=Confidence.LIKELY,
    )  # fmt: skip


def directory_not_there(seen: Evidence) -> Finding | None:
    if not any("FileNotFoundError" in e.kinds for e in seen.met):
        return None
    return _directory_not_shared(seen, "The cell did not find a file")


def network(seen: Evidence) -> Finding | None:
    """A connection of the cell's own: what goes to devices tells its cause itself."""
    hit = next(
        (
            e
            for e in seen.met
            if not e.told and (e.errno in _NETWORK or e.kind in _NETWORK_KINDS or "gaierror" in e.kinds)
        ),
        None,
    )
    if hit is None:
        return None
    return Finding(
        "network", Cause.INTEGRATION, f"The cell itself opened a connection and got none: {hit.text or hit.kind}.", seen.in_traceback(), Audience.YOU,
        "Is the address right, and does the node reach it? Many sites let nodes reach nothing outside.", again=True, confidence=Confidence.LIKELY,
    )  # fmt: skip


def ours(seen: Evidence) -> Finding | None:
    within = seen.facts.get("within") or {}
    if "/qhub_ext/" not in str(within.get("file", "")) or (seen.raised and seen.raised[0].told):
        return None
    sentence = "The error came up inside qhub_ext: a value that it does not expect, or a fault of ours."
    return Finding(
        "inside qhub_ext",
        Cause.INTEGRATION,
        sentence,
        seen.in_traceback(),
        Audience.DEVELOPERS,
        "Where the value is right, report it with the traceback.",
        confidence=Confidence.POSSIBLE,
    )


def own_code(seen: Evidence) -> Finding | None:
    """Whatever error nothing above has an explanation for."""
    if not seen.raised or (seen.raised[0].told and seen.cause is not Cause.CODE):
        return None
    first = seen.raised[0]
    if first.kind == "KeyboardInterrupt" and seen.state in ("timed_out", "cancelled"):
        return None  # the runner's own way to stop a cell: the end from outside explains it
    told = seen.message or f"{first.kind}: {first.text}"
    return Finding(
        "code", Cause.CODE, told, seen.in_traceback(), advice=seen.record.attempt.advice, confidence=_trust(first)
    )


def _trust(first: Raised) -> Confidence:
    return Confidence.SURE if first.own or first.errno is None else Confidence.LIKELY


def crashed(seen: Evidence) -> Finding | None:
    """Its process ended, and the runner saw how."""
    if seen.raised or seen.cause is not Cause.CODE or seen.state != "failed":
        return None
    report = [
        seen.in_outcome(note.splitlines()[0][:300])
        for note in seen.notes
        if "Fatal Python error" in note or "fault" in note
    ]
    return Finding(
        "code",
        Cause.CODE,
        seen.message,
        (*report[:1], seen.in_outcome(seen.message)),
        advice=seen.record.attempt.advice,
    )


def no_kernel(seen: Evidence) -> Finding | None:
    if seen.raised or seen.cause is not Cause.ENVIRONMENT:
        return None
    return Finding(
        "environment",
        Cause.ENVIRONMENT,
        seen.message,
        (seen.in_outcome(seen.message), *seen.in_console()),
        advice=seen.record.attempt.advice,
    )


def _directory_not_shared(seen: Evidence, what: str) -> Finding | None:
    """The folder that the job was submitted from cannot be entered where it ran: `what` follows from that."""
    note = next((note for note in seen.notes if "cannot be entered here" in note), None)
    if note is None:
        return None
    return Finding(
        "directory not shared", Cause.INTEGRATION, f"{what}, and {note[0].lower()}{note[1:]}",
        (*seen.in_traceback(), seen.in_outcome(note)), Audience.SITE,
        "Submit from a folder on a file system that the nodes mount at the same path.", confidence=Confidence.LIKELY,
    )  # fmt: skip


def _quoted(text: str, place: int = 0) -> str:
    found = re.findall(r"'([^']+)'", text)
    return found[place] if len(found) > place else ""


MET = (package_missing, package_other, memory, disk, used_up, file_system, directory_not_there, network)
"""What met the cell from its surroundings."""

RULES = (*MET, not_found_by_processes, no_kernel, ours)
GENERAL = (own_code, crashed)
IN_VAIN = Rules((not_found_by_processes,))
