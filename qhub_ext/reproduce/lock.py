"""`pylock.toml` (PEP 751) of an environment: rendered from what is installed, and read again.

A lock says what, by hash; where it is fetched from is the business of the site's own pip or uv configuration. So of an index no address
stands in it but the public one's, and of a file that the public index does not have, its name (`path = "wheels/..."`, where a folder
of wheels beside the lock would have it). A package whose file could not be told by hash is listed under `tool.qhub.without_hash`: PEP 751
has no form for it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from qhub_ext.errors import JobFolderError
from qhub_ext.reproduce.installed import Installed
from qhub_ext.reproduce.toml_text import toml_lines, toml_value

LOCK_VERSION = "1.0"
SCHEMA = "qhub.lock/1"
PUBLIC_INDEX = "https://pypi.org/simple"
_PUBLIC_FILES = "https://files.pythonhosted.org"
_PUBLIC_PATH = re.compile(r"(/packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)$")


@dataclass(frozen=True)
class File:
    """A wheel or source archive of an index: `url` as the index that was asked gave it; it is never written as it is."""

    name: str
    url: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True)
class Interpreter:
    """`markers` are those of PEP 508 that bind a lock to a platform. `blas` are the libraries that numpy and scipy brought."""

    python: str
    implementation: str
    platform: str
    system: str
    machine: str
    blas: tuple[str, ...] = ()
    conda: tuple[Mapping[str, str], ...] = ()


def render_lock(interpreter: Interpreter, packages: Iterable[Installed], files: Mapping[str, File]) -> str:
    """Pure: the same environment always gives the same text, so that its digest names it."""
    minor = ".".join(interpreter.python.split(".")[:2])
    environment = f"sys_platform == '{interpreter.system}' and platform_machine == '{interpreter.machine}'"
    lines = [
        f'lock-version = "{LOCK_VERSION}"',
        f"environments = {toml_value([environment])}",
        f'requires-python = "=={minor}.*"',
        'created-by = "qhub_ext"',
    ]
    without_hash, conda = {}, []
    shown = []
    for package in packages:
        entry = _entry(package, files)
        if package.source.kind == "conda":
            conda.append(package.name)
        elif entry is None:
            without_hash[package.name] = package.version
        else:
            shown.append(
                "\n".join(["[[packages]]", *toml_lines({"name": package.name, "version": package.version}), *entry])
            )
    lines += ["packages = []"] if not shown else []
    ours = {
        "schema": SCHEMA,
        "python": interpreter.python,
        "implementation": interpreter.implementation,
        "platform": interpreter.platform,
        "blas": list(interpreter.blas),
        "without_hash": without_hash,
        "conda": [dict(one) for one in interpreter.conda],
    }
    return "\n\n".join(["\n".join(lines), *shown, "\n".join(["[tool.qhub]", *toml_lines(ours)])]) + "\n"


def _entry(package: Installed, files: Mapping[str, File]) -> list[str] | None:
    """The lines that say where a package comes from; None where that cannot be said in PEP 751's terms."""
    source = package.source
    if source.kind == "index":
        return _file_lines(files[package.name]) if package.name in files else None
    if source.kind in ("editable", "directory"):
        directory = {
            "path": source.place,
            "editable": source.kind == "editable" or None,
            "subdirectory": source.subdirectory,
        }
        kept = {k: v for k, v in directory.items() if v}
        lines = [f"directory = {toml_value(kept)}"]
        return [*lines, f"tool = {toml_value({'qhub': {'revision': source.revision}})}"] if source.revision else lines
    if source.kind == "git" and source.revision:
        checkout = {
            "type": "git",
            "url": source.place,
            "requested-revision": source.asked,
            "commit-id": source.revision,
        }
        return [
            f"vcs = {toml_value({k: v for k, v in {**checkout, 'subdirectory': source.subdirectory}.items() if v})}"
        ]
    if source.kind == "archive" and source.hashes:
        where = "url" if "://" in source.place else "path"
        archive = {where: source.place, "hashes": dict(source.hashes), "subdirectory": source.subdirectory}
        return [f"archive = {toml_value({k: v for k, v in archive.items() if v})}"]
    return None


def _file_lines(file: File) -> list[str]:
    public = public_address(file.url)
    size = {} if file.size is None else {"size": file.size}
    place = {"url": public} if public else {"path": f"wheels/{file.name}"}
    record = {"name": file.name, **place, **size, "hashes": {"sha256": file.sha256}}
    index = [f'index = "{PUBLIC_INDEX}"'] if public else []
    return [
        *index,
        f"wheels = [{toml_value(record)}]" if file.name.endswith(".whl") else f"sdist = {toml_value(record)}",
    ]


def public_address(url: str) -> str | None:
    """The public index's own address of a file, from that of any mirror, which keeps the path (it is made of the file's hash)."""
    parts = urlsplit(url)
    match = _PUBLIC_PATH.search(parts.path)
    return f"{_PUBLIC_FILES}{match[1]}" if match else None


@dataclass(frozen=True)
class Wanted:
    """One package of a lock, as an installer is asked for it: `requirement` is a line of a requirements file."""

    name: str
    version: str
    requirement: str
    kind: str


@dataclass(frozen=True)
class Lock:
    python: str
    platform: str
    packages: tuple[Wanted, ...]
    without_hash: Mapping[str, str] = field(default_factory=dict)
    conda: tuple[Mapping[str, str], ...] = ()
    blas: tuple[str, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        return {p.name: p.version for p in self.packages} | dict(self.without_hash)


def read_lock_text(text: bytes, where: str) -> Lock:
    """Raises JobFolderError for what is no lock that this version understands."""
    try:
        record = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JobFolderError(f"{where} is not a lock: {error}.", where=where) from error
    version = str(record.get("lock-version", ""))
    if version.split(".")[0] != "1":
        raise JobFolderError(
            f"{where} is a lock of version {version or 'none'!s}; this version of qhub_ext reads 1.x.",
            advice="A newer qhub_ext may read it.",
            where=where,
        )
    try:
        ours = dict((record.get("tool") or {}).get("qhub") or {})
        packages = tuple(_wanted(dict(entry)) for entry in record.get("packages") or ())
        return Lock(
            python=str(ours.get("python", "")),
            platform=str(ours.get("platform", "")),
            packages=packages,
            without_hash={str(k): str(v) for k, v in dict(ours.get("without_hash") or {}).items()},
            conda=tuple(dict(one) for one in ours.get("conda") or ()),
            blas=tuple(map(str, ours.get("blas") or ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JobFolderError(f"{where} is not a lock that can be trusted: {error}.", where=where) from error


_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_VERSION = re.compile(r"[0-9A-Za-z!+._-]+")
_HASH = re.compile(r"[0-9a-f]+")


def _wanted(entry: dict[str, Any]) -> Wanted:
    """Nothing of a stranger's lock reaches a command line unchecked."""
    name, version = str(entry["name"]), str(entry.get("version", ""))
    if not _NAME.fullmatch(name) or (version and not _VERSION.fullmatch(version)):
        raise ValueError(f"{name[:60]!r} {version[:60]!r} is no package")
    if directory := entry.get("directory"):
        path = _line(directory["path"])
        inside = f"#subdirectory={_line(directory['subdirectory'])}" if directory.get("subdirectory") else ""
        return Wanted(
            name,
            version,
            f"-e {path}{inside}" if directory.get("editable") else f"{name} @ file://{path}{inside}",
            "directory",
        )
    if vcs := entry.get("vcs"):
        inside = f"#subdirectory={_line(vcs['subdirectory'])}" if vcs.get("subdirectory") else ""
        place = _line(vcs.get("url") or f"file://{vcs['path']}")
        if not _HASH.fullmatch(str(vcs["commit-id"])):
            raise ValueError(f"{name} has no commit")
        return Wanted(name, version, f"{name} @ git+{place}@{vcs['commit-id']}{inside}", "git")
    if archive := entry.get("archive"):
        place = _line(archive.get("url") or f"file://{archive['path']}")
        return Wanted(name, version, f"{name} @ {place}{_hashes(name, [archive])}", "archive")
    files = [*(entry.get("wheels") or ()), *([entry["sdist"]] if entry.get("sdist") else ())]
    return Wanted(name, version, f"{name}=={version}{_hashes(name, files)}", "index")


def _hashes(name: str, files: Sequence[Mapping[str, Any]]) -> str:
    found = []
    for file in files:
        for algorithm, digest in dict(file["hashes"]).items():
            if not re.fullmatch(r"[a-z0-9_]+", str(algorithm)) or not _HASH.fullmatch(str(digest)):
                raise ValueError(f"{name} has a hash that is none")
            found.append(f" --hash={algorithm}:{digest}")
    if not found:
        raise ValueError(f"{name} has no file")
    return "".join(found)


def _line(value: Any) -> str:
    text = str(value)
    if not text or any(c in text for c in "\r\n\0"):
        raise ValueError("a place that is none")
    return text
