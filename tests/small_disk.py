"""A small file system in the place of a folder, to be filled to the last page."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE_B = 4096


@contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """Mounted over the folder, with its owner and mode. Skips where nothing can be mounted."""
    seen = folder.stat()
    options = f"size={size_kib}k,uid={seen.st_uid},gid={seen.st_gid},mode={seen.st_mode & 0o777:o}"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "qhub-test", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"No file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave_pages: int = 0) -> None:
    """Until so many pages are left; a second time makes room again."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    fd = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(fd, bytes(PAGE_B)):
            pass
    os.ftruncate(fd, max(0, os.fstat(fd).st_size // PAGE_B - leave_pages) * PAGE_B)
    os.close(fd)
