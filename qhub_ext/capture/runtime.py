"""Where a cell was captured: Python, packages, libraries, machine, environment variables, revision."""

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
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qhub_ext.capture.blas import blas_in
from qhub_ext.capture.machine import container_record, loaded_modules, machine_record
from qhub_ext.capture.search_path import own_folders
from qhub_ext.telemetry.console import JSON
from qhub_ext.telemetry.console import VARIABLE as LOGS
from qhub_ext.telemetry.secrets import is_secret

if TYPE_CHECKING:  # pydantic takes 0.3 s, and the job kernel only compares
    from qhub_ext.settings import Settings

SCHEMA = "qhub.runtime/1"


class _Folder(NamedTuple):
    """Of the path: when it was changed last, its packages, and what of linear algebra they brought."""

    stamp: int
    packages: dict[str, str]
    blas: dict[str, str]


class _Together(NamedTuple):
    """What the folders of the path had last time, and all of it in one."""

    folders: list[_Folder]
    packages: dict[str, str]
    digest: str
    blas: dict[str, str]


_folders: dict[str, _Folder] = {}
_together = _Together([], {}, "", {})
_state: tuple[list[tuple[str, int]], str] = ([], "")
"""The folders with packages last time, when each was changed, and the digest of it all."""


def record_runtime(settings: Settings, directory: Path | None = None) -> dict[str, Any]:
    """`qhub.runtime/1`. `directory` (default: the present one) is where the revision is looked for.

    `environment_digest` is the same for two jobs that one kept-ready kernel could serve.
    """
    environment = allowed_environment(settings.capture.environment, os.environ)
    if settings.telemetry.logs == JSON:  # a runner reads no settings
        environment[LOGS] = JSON
    record, packages_digest = _place()
    return record | {
        "environment": environment,
        "environment_digest": _digest(
            [sys.executable, sys.prefix, environment, packages_digest, record["own_path"]["first"]]
        ),
        "revision": git_revision(Path.cwd() if directory is None else directory),
    }


def place_record() -> dict[str, Any]:
    """The part of it that says what a process has to work with; `state` changes with every installation there."""
    return _place()[0]


def _place() -> tuple[dict[str, Any], str]:
    """With the digest of the packages."""
    _, packages, digest, blas = _installed()
    record = {
        "schema": SCHEMA,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "platform": sysconfig.get_platform(),
        "host": socket.gethostname(),
        "path": [entry for entry in sys.path if entry],
        "own_path": own_folders(),
        "packages": dict(packages),
        "state": _state_of_known(),
        "blas": dict(blas),
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
    known = ((folder, _folders.get(folder)) for folder in map(os.path.abspath, sys.path))
    parts = [(folder, one.stamp, one.packages) for folder, one in known if one is not None and one.packages]
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
    return dict(_installed(path).packages)


def installed_blas(path: Iterable[str] | None = None) -> dict[str, str]:
    """Package to the library that does its linear algebra."""
    return dict(_installed(path).blas)


def _installed(path: Iterable[str] | None = None) -> _Together:
    """Kept until a folder of the path changes."""
    global _together
    parts: list[_Folder] = []
    for entry in sys.path if path is None else path:
        try:
            folder = os.path.abspath(entry)  # of "" too, the present one
            stamp = os.stat(folder).st_mtime_ns
        except OSError:
            continue  # Python passes over such entries too
        known = _folders.get(folder)
        if known is None or known.stamp != stamp:
            known = _folders[folder] = _scan(folder, stamp)
        parts.append(known)
    if list(map(id, parts)) != list(map(id, _together.folders)):
        found: dict[str, str] = {}
        blas: dict[str, str] = {}
        for one in parts:
            found, blas = one.packages | found, one.blas | blas
        found = dict(sorted(found.items()))
        _together = _Together(parts, found, _digest(found), dict(sorted(blas.items())))
    return _together


_METADATA = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+?)(-py[\d.]+)?\.(dist|egg)-info")


def _scan(folder: str, stamp: int) -> _Folder:
    try:
        names = os.listdir(folder)
    except OSError:  # a zip file, or gone since
        return _Folder(stamp, {}, {})
    found: dict[str, str] = {}
    for name in names:
        if name.endswith("-info") and (match := _METADATA.fullmatch(name)):
            found.setdefault(re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"])
    return _Folder(stamp, found, blas_in(folder, names))


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


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:32]
