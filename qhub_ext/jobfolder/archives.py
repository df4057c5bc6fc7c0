"""Folders of jobs that left the shelf: `SHELF/.archives` has a line for each. They are looked into for what the shelf has not."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.jobfolder.atomic import write_beside

FILE_NAME = ".archives"


def read_archives(shelf: Path) -> list[Path]:
    """Also those that are not there at present, such as an unmounted one."""
    try:
        lines = (shelf / FILE_NAME).read_text("utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [Path(line) for line in lines if line.strip()]


def add_archive(shelf: Path, archive: Path) -> None:
    known = read_archives(shelf)
    if archive not in known:
        _write(shelf, [*known, archive])


def forget_archive(shelf: Path, archive: Path) -> bool:
    """False where it was not known."""
    known = read_archives(shelf)
    _write(shelf, [one for one in known if one != archive])
    return archive in known


def _write(shelf: Path, archives: list[Path]) -> None:
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_beside(shelf / FILE_NAME, "".join(f"{one}\n" for one in archives).encode())
