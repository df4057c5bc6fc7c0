"""A mark on the shelf that changes whenever a finished job begins anew, so that a listing need not look at each of them.

Whoever puts a finished job back into a queue calls `begin_generation`; new jobs show by their names.
"""

from __future__ import annotations

import os
from pathlib import Path

from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.ownership import give_to_owner

FILE_NAME = ".generation"


def begin_generation(folder: JobFolder) -> None:
    """First the folder's own time, then the shelf's mark: who sees the new mark also sees the new time."""
    os.utime(folder.bundle_root)
    # not a time: two changes within one tick of the file system's clock must differ
    mark = folder.bundle_root.parent / FILE_NAME
    write_beside(mark, os.urandom(8).hex().encode())
    give_to_owner(mark)


def read_generation(shelf: Path) -> str:
    try:
        return (shelf / FILE_NAME).read_text()
    except FileNotFoundError:
        return "first"
    except PermissionError:  # another user made it; that it was made anew can be seen all the same
        return str(os.stat(shelf / FILE_NAME).st_ino)
