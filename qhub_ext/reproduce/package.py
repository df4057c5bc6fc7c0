"""A job as one file for somebody else: its folder in a zip, the hash of every file, and nothing secret.

job/...                    the job folder, with its lock and the calibrations that it ran under
ro-crate-metadata.json     only of a crate (`crate`)
manifest-sha256.txt        `HASH  PATH` of every file but itself, as `sha256sum -c` reads it
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from qhub_ext.errors import JobFolderError, UserError
from qhub_ext.job.identity import is_job_id, short_id
from qhub_ext.job.spec import SCHEMA as JOB_SCHEMA
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import lock_of
from qhub_ext.jobfolder.outcome import require_own
from qhub_ext.telemetry.secrets import is_secret

MANIFEST = "manifest-sha256.txt"
METADATA = "ro-crate-metadata.json"
INSIDE = "job"
LARGEST = 8 * 2**30
"""Bytes of an archive when unpacked: a small file may claim to hold any number of them."""
_PIECE = 2**20
_DAMAGED = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, ValueError, RuntimeError),
)
_SHORTEST_SECRET = 8
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
_LEFT_OUT = {"alive.lock"}


def files_of(folder: JobFolder) -> Iterator[tuple[str, Path]]:
    """(name inside, path) of what goes along, in order."""
    for root, folders, names in os.walk(folder.path):
        folders.sort()
        for name in sorted(names):
            path = Path(root) / name
            if name.startswith(".") or name in _LEFT_OUT or not stat.S_ISREG(path.lstat().st_mode):
                continue  # half-written files, locks, links
            yield f"{INSIDE}/{path.relative_to(folder.path).as_posix()}", path
    lock = lock_of(folder)
    if lock is not None and not folder.lock.exists():
        yield f"{INSIDE}/{folder.lock.name}", lock


def known_secrets(environment: Mapping[str, str], files: Iterator[Path] | tuple[Path, ...] = ()) -> dict[str, str]:
    """Value -> where it is from: variables that look like secrets (a path such as $PWD is none), and the site's own files of credentials."""
    found = {
        v: f"${n}"
        for n, v in environment.items()
        if is_secret(n, v) and len(v) >= _SHORTEST_SECRET and not v.startswith("/")
    }
    for path in files:
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue  # whoever may not read it has nothing to give away
        for line in lines:
            name, _, value = line.partition("=")
            if len(value.strip()) >= _SHORTEST_SECRET:
                found[value.strip()] = f"{name.strip()} in {path}"
    return found


def write_package(
    folder: JobFolder,
    target: Path,
    secrets: Mapping[str, str],
    describe: Callable[[list[Described]], bytes] | None = None,
) -> list[Described]:
    """Raises UserError where a file holds a secret, or the target cannot be written: then there is none."""
    described = [_describe(inside, path, secrets) for inside, path in files_of(folder)]
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            os.chmod(draft, 0o600)
            lines = [f"{one.sha256}  {one.inside}" for one in described]
            for one in described:
                archive.write(one.path, one.inside)
            if describe is not None:
                metadata = describe(described)
                archive.writestr(METADATA, metadata)
                lines.append(f"{hashlib.sha256(metadata).hexdigest()}  {METADATA}")
            archive.writestr(MANIFEST, "\n".join(lines) + "\n")
        os.replace(draft, target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return described


@dataclass(frozen=True)
class Described:
    inside: str
    path: Path
    sha256: str
    size: int


def _describe(inside: str, path: Path, secrets: Mapping[str, str]) -> Described:
    data = path.read_bytes()
    for value, where in secrets.items():
        if value.encode() in data:
            raise UserError(
                f"{inside.removeprefix(f'{INSIDE}/')} holds the value of {where}: nothing was exported.",
                advice="Let the cell read it from the environment, and run it again.",
            )
    return Described(inside, path, hashlib.sha256(data).hexdigest(), len(data))


def read_package(source: Path, shelf: Path) -> str:
    """Puts a job of somebody else onto the shelf; returns its id. Nothing of it is loaded or run.

    Raises UserError for what is no package, JobFolderError for one that was changed (with the file's name) or is of a newer version.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            return _unpack(archive, source, shelf)
    except FileNotFoundError:
        raise UserError(f"There is no file {str(source)!r}.") from None
    except IsADirectoryError:
        raise UserError(f"{source} is a folder.", advice="`import` reads the .zip that `export` wrote.") from None
    except _DAMAGED as error:
        raise UserError(
            f"{source} is not a package of a job, or it is damaged: {error}.", advice="`export` writes one."
        ) from error
    except OSError as error:
        if error.errno is None:  # bz2's way of saying that its data is none
            raise UserError(f"{source} is damaged: {error}.", advice="Ask for it once more.") from error
        raise JobFolderError(f"{error.filename or source}: {error.strerror}.", where=str(source)) from error


def _unpack(archive: zipfile.ZipFile, source: Path, shelf: Path) -> str:
    members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    if MANIFEST not in members:
        raise UserError(f"{source} is not a package of a job: it has no {MANIFEST}.", advice="`export` writes one.")
    hashes = _manifest(archive.read(MANIFEST).decode("utf-8", "replace"), source)
    strange = sorted(set(members) - set(hashes) - {MANIFEST})
    missing = sorted(set(hashes) - set(members))
    if strange or missing:
        raise _changed(source, f"{strange[0]} was added" if strange else f"{missing[0]} is missing")
    if sum(info.file_size for info in members.values()) > LARGEST:
        raise UserError(f"{source} says that it holds more than {LARGEST // 2**30} GiB: it was not unpacked.")
    draft = shelf / f".new-import-{os.getpid()}"
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        for name, digest in hashes.items():
            _extract(archive, members[name], draft / name, digest, source)
        return _place(JobFolder(draft / INSIDE), source, shelf)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _manifest(text: str, source: Path) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise _changed(source, f"{MANIFEST} has a line that is none")
        digest, name = match[1], match[2]
        parts = PurePosixPath(name).parts
        plain = not name.startswith("/") and "\\" not in name and ".." not in parts and "/".join(parts) == name
        if (
            not plain
            or (name != METADATA and (len(parts) < 2 or parts[0] != INSIDE))
            or any(p.startswith(".") for p in parts)
        ):
            raise _changed(source, f"{name[:80]!r} is no place in a job folder")
        found[name] = digest
    return found


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, digest: str, source: Path) -> None:
    _make_folder(path.parent)
    found, left = hashlib.sha256(), info.file_size
    with archive.open(info) as packed, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := packed.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise _changed(source, f"{info.filename} is larger than it says")
            found.update(piece)
            file.write(piece)
    if found.hexdigest() != digest:
        raise _changed(source, f"{info.filename} is not what was exported (its hash differs)")


def _make_folder(path: Path) -> None:
    """Closed to others, and so are those that it lies in: `parents=True` gives these the usual mode."""
    if not path.exists():
        _make_folder(path.parent)
        path.mkdir(mode=0o700)


def _place(folder: JobFolder, source: Path, shelf: Path) -> str:
    try:
        spec = read_json(folder.spec)
        schema, job_id = str(spec["schema"]), str(spec["id"])
    except (FileNotFoundError, KeyError, TypeError) as error:
        raise UserError(f"{source} holds no job: it has no readable {folder.spec.name}.") from error
    if schema != JOB_SCHEMA:
        raise JobFolderError(
            f"The job in {source} was written by a newer version ({schema[:40]}); this one reads {JOB_SCHEMA}.",
            advice="pip install --upgrade qhub-ext",
        )
    if not is_job_id(job_id):
        raise _changed(source, "the job's id is none")
    final = shelf / job_id
    if final.exists():
        raise UserError(
            f"Job {short_id(job_id)} is on your shelf already: {final}.", advice=f"`job {short_id(job_id)}` shows it."
        )
    for needed in (folder.inputs, folder.journals):  # a zip knows no empty folders
        needed.mkdir(mode=0o700, exist_ok=True)
    os.rename(folder.path, final)
    require_own(JobFolder(final))
    return job_id


def _changed(source: Path, what: str) -> JobFolderError:
    return JobFolderError(
        f"{source} was changed after it was exported: {what}. Nothing was imported.",
        advice="Get it again from whoever made it.",
        where=str(source),
    )
