"""A job folder as a zip file, piece by piece: no piece larger than a buffer is ever in memory, and no link is followed."""

from __future__ import annotations

import io
import os
import stat
import time
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path

PIECE = 2**18
LARGE = 2**31 - 1


class _Sink(io.RawIOBase):
    """Takes what the zip file writes, until it is drained."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        return len(piece)

    def drain(self) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole


def zip_pieces(folder: Path, name: str) -> Generator[bytes, None, None]:
    """Regular files only, below a folder `name` in the archive; each as long as it was when it was opened."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, inside in _files(folder, name):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue  # gone meanwhile, or closed to us
            with open(fd, "rb") as file:
                found = os.fstat(fd)
                if not stat.S_ISREG(found.st_mode):
                    continue
                moment = time.localtime(max(found.st_mtime, 315619200))[:6]  # a zip file knows no time before 1980
                info = zipfile.ZipInfo(inside, moment)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (stat.S_IFREG | 0o600) << 16
                left = found.st_size
                with archive.open(info, "w", force_zip64=left > LARGE) as target:
                    while left > 0 and (piece := file.read(min(PIECE, left))):
                        left -= len(piece)
                        target.write(piece)
                        yield sink.drain()
    yield sink.drain()


def _files(folder: Path, inside: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name.startswith("."):  # half-written files
            continue
        name = f"{inside}/{entry.name.encode('utf-8', 'replace').decode()}"
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), name)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path, name
