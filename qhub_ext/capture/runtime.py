"""Where a cell was captured: Python, packages, environment variables, revision. And how another place differs from it."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import json
import os
import platform
import re
import socket
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qhub_ext.capture.machine import container_record, loaded_modules, machine_record
from qhub_ext.errors import EnvironmentMismatchError
from qhub_ext.telemetry.secrets import is_secret

if TYPE_CHECKING:  # pydantic takes 0.3 s, and the job kernel only compares
    from qhub_ext.settings import Settings

SCHEMA = "qhub.runtime/1"

_packages: dict[str, tuple[int, dict[str, str]]] = {}  # folder -> (time of its last change, packages)
_together: tuple[list[tuple[int, dict[str, str]]], dict[str, str], str] = ([], {}, "")
"""What the folders of the path had last time, all of it in one, and its digest."""
_state: tuple[list[tuple[str, int]], str] = ([], "")
"""The folders with packages last time, when each was changed, and the digest of it all."""


def record_runtime(settings: Settings, directory: Path | None = None) -> dict[str, Any]:
    """`qhub.runtime/1`. `directory` (default: the present one) is where the revision is looked for.

    `environment_digest` is the same for two jobs that one kept-ready kernel could serve.
    """
    environment = allowed_environment(settings.capture.environment, os.environ)
    record, packages_digest = _place()
    return record | {
        "environment": environment,
        "environment_digest": _digest([sys.executable, sys.prefix, environment, packages_digest]),
        "revision": git_revision(Path.cwd() if directory is None else directory),
    }


def place_record() -> dict[str, Any]:
    """The part of it that says what a process has to work with; `state` changes with every installation there."""
    return _place()[0]


def _place() -> tuple[dict[str, Any], str]:
    """With the digest of the packages."""
    packages, digest = _installed()
    record = {
        "schema": SCHEMA,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "platform": sysconfig.get_platform(),
        "host": socket.gethostname(),
        "path": [entry for entry in sys.path if entry],
        "packages": dict(packages),
        "state": _state_of_known(),
        "machine": machine_record(),
        "modules": loaded_modules(os.environ),
        "container": container_record(os.environ),
    }
    return record, digest


def environment_state() -> str:
    """Names what is installed for this interpreter: another one after every installation, also of the same version again."""
    _installed()
    return _state_of_known()


def _state_of_known() -> str:
    """Of the folders as they were looked at last."""
    global _state
    known = ((folder, _packages.get(folder, (0, {}))) for folder in map(os.path.abspath, sys.path))
    parts = [(folder, stamp, names) for folder, (stamp, names) in known if names]
    stamps = [(folder, stamp) for folder, stamp, _ in parts]
    if stamps != _state[0]:
        digest = _digest([sys.prefix, platform.python_implementation(), platform.python_version(), parts])
        _state = (stamps, digest)
    return _state[1]


def allowed_environment(patterns: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Without secrets, whatever the patterns say."""
    allowed = _any_of(tuple(patterns))
    named = [name for name in sorted(environment) if allowed.match(name)]
    return {name: value for name in named if not is_secret(name, value := environment[name])}


@functools.cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)")


def installed_packages(path: Iterable[str] | None = None) -> dict[str, str]:
    """Name (normalised) to version, read from the names of the metadata folders: opening each would take 100 times as long.

    Earlier entries of the path win, as they do for `import`. A folder is read again only when it has changed.
    """
    return dict(_installed(path)[0])


def _installed(path: Iterable[str] | None = None) -> tuple[dict[str, str], str]:
    """With their digest; both are kept until a folder of the path changes."""
    global _together
    parts: list[tuple[int, dict[str, str]]] = []
    for entry in sys.path if path is None else path:
        try:
            folder = os.path.abspath(entry)  # of "" too, the present one
            stamp = os.stat(folder).st_mtime_ns
        except OSError:
            continue  # Python passes over such entries too
        known = _packages.get(folder)
        if known is None or known[0] != stamp:
            known = _packages[folder] = (stamp, _scan(folder))
        parts.append(known)
    if list(map(id, parts)) != list(map(id, _together[0])):
        found: dict[str, str] = {}
        for _, names in parts:
            found = names | found
        found = dict(sorted(found.items()))
        _together = (parts, found, _digest(found))
    return _together[1:]


_METADATA = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+?)(-py[\d.]+)?\.(dist|egg)-info")


def _scan(folder: str) -> dict[str, str]:
    try:
        names = os.listdir(folder)
    except OSError:  # a zip file, or gone since
        return {}
    found: dict[str, str] = {}
    for name in names:
        if name.endswith("-info") and (match := _METADATA.fullmatch(name)):
            found.setdefault(re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"])
    return found


def git_revision(directory: Path) -> dict[str, str] | None:
    """{"revision": hash, "branch": name} of the repository around a folder, from its files alone; None if there is none."""
    for folder in map(str, (directory, *directory.parents)):
        place = os.path.join(folder, ".git")
        head = _text(place, "HEAD")
        if head is None and (elsewhere := _text(place)) is not None:  # a worktree or submodule points elsewhere
            place = os.path.join(folder, elsewhere.removeprefix("gitdir:").strip())
            head = _text(place, "HEAD")
        if head is None:
            continue
        if not head.startswith("ref:"):
            return {"revision": head, "branch": ""}
        ref = head.removeprefix("ref:").strip()
        revision = _resolve_ref(place, ref)
        return {"revision": revision, "branch": ref.removeprefix("refs/heads/")} if revision else None
    return None


def _resolve_ref(place: str, ref: str) -> str | None:
    common = _text(place, "commondir")  # only worktrees have one
    for folder in (place, *([os.path.join(place, common)] if common else [])):
        if (found := _text(folder, ref)) is not None:  # else it is packed, or in the other folder
            return found
        for line in (_text(folder, "packed-refs") or "").splitlines():
            if line.endswith(f" {ref}"):
                return line.partition(" ")[0]
    return None


def _text(*parts: str) -> str | None:
    """Of a small file, without the blanks around it; None where there is none. The prompt waits for it: `open` takes five times as long."""
    try:
        fd = os.open(os.path.join(*parts), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = b""
        while part := os.read(fd, 1 << 20):
            data += part
        return data.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):  # a folder, or nothing of git's
        return None
    finally:
        os.close(fd)


@dataclass(frozen=True)
class Difference:
    """`refuse`: values captured there must not be loaded here. `note`: worth a line in the record."""

    severity: Literal["refuse", "note"]
    what: str
    captured: str
    here: str
    sentence: str
    advice: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


# values captured with one version of these are not read with another
_BINDING = {"cloudpickle": 2, "qiskit": 2}
# differences of these change results, or break a cell that worked
_NOTED = ("qiskit-aer", "qiskit-ibm-runtime", "numpy", "scipy", "pandas", "qhub-ext")


def compare(captured: Mapping[str, Any], here: Mapping[str, Any], *, loads: bool = True) -> list[Difference]:
    """How the place of execution differs from that of submission, refusals first. Where nothing captured is loaded there, nothing is refused."""
    found: list[Difference] = []
    then, now = str(captured.get("python", "")), str(here.get("python", ""))
    if then and now and _minor(then) != _minor(now):
        found.append(
            Difference(
                "refuse",
                "python",
                then,
                now,
                f"The cell was captured with Python {then}, here is Python {now}: values of one cannot be loaded in the other.",
                f"Run the job with {captured.get('executable') or 'Python ' + _minor(then)}.",
            )
        )
    elif then != now:
        found.append(Difference("note", "python", then, now, f"Python is {now} here, it was {then} in the notebook."))
    packages_then, packages_now = _packages_of(captured), _packages_of(here)
    for name in (*_BINDING, *_NOTED):
        then, now = packages_then.get(name, ""), packages_now.get(name, "")
        if not then or then == now:
            continue
        severity: Literal["refuse", "note"] = (
            "refuse" if name in _BINDING and (not now or _minor(then) != _minor(now)) else "note"
        )
        sentence = (
            f"{name} is {now} here, it was {then} in the notebook." if now else f"{name} {then} is not installed here."
        )
        found.append(Difference(severity, name, then, now, sentence, f"pip install {name}=={then}"))
    rest = sorted(
        name
        for name, version in packages_then.items()
        if name not in _BINDING and name not in _NOTED and packages_now.get(name) != version
    )
    if rest:
        shown = ", ".join(rest[:5]) + (f" and {len(rest) - 5} more" if len(rest) > 5 else "")
        found.append(Difference("note", "packages", "", "", f"Other versions than in the notebook: {shown}."))
    then, now = str(captured.get("platform", "")), str(here.get("platform", ""))
    if then != now:
        found.append(
            Difference("note", "platform", then, now, f"The platform is {now} here, it was {then} in the notebook.")
        )
    if not loads:
        found = [replace(difference, severity="note") for difference in found]
    return sorted(found, key=lambda difference: difference.severity != "refuse")


def verdict_of(differences: Iterable[Difference]) -> Literal["same", "compatible", "refused"]:
    severities = {difference.severity for difference in differences}
    return "refused" if "refuse" in severities else "compatible" if severities else "same"


def require_compatible(captured: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    """The notes; raises EnvironmentMismatchError when a difference forbids to load what was captured."""
    differences = compare(captured, here)
    refuse(differences)
    return differences


def refuse(differences: Iterable[Difference]) -> None:
    """Raises EnvironmentMismatchError with every difference that forbids to load what was captured, and what mends it."""
    refused = [d for d in differences if d.severity == "refuse"]
    if refused:
        packages = " ".join(f"{d.what}=={d.captured}" for d in refused if d.what != "python")
        mend = [d.advice for d in refused if d.what == "python" and d.advice]
        mend += [f"pip install {packages}"] if packages else []
        mend.append("`rerun JOB --runtime same` builds the environment of the submission and runs the job in it.")
        raise EnvironmentMismatchError(
            " ".join(d.sentence for d in refused), advice=" ".join(m if m.endswith(".") else f"{m}." for m in mend)
        )


def _packages_of(record: Mapping[str, Any]) -> dict[str, str]:
    packages = record.get("packages")
    return packages if isinstance(packages, dict) else {}


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:32]
