"""The tutorial notebooks, copied to where the user's files are. Blocking; called in a thread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.server.submission import inside

if TYPE_CHECKING:
    from qhub_ext.service import JobService

FOLDER = "qhub-tutorials"
LONGEST_PATH = 1000


def read_folder(body: dict[str, Any]) -> str:
    """Below the server's root folder. Raises InvalidOptionError."""
    strange = sorted(body.keys() - {"path"})
    if strange:
        raise InvalidOptionError(f"The tutorials take no {strange[0][:80]!r}.", advice="They take path, a folder.")
    path = body.get("path", FOLDER)
    if not isinstance(path, str) or not path.strip() or "\0" in path or len(path) > LONGEST_PATH:
        raise InvalidOptionError("path is not the name of a folder.")
    return path


def copy_tutorials(_: JobService, root: Path, path: str) -> dict[str, Any]:
    """As `qhub tutorials DIR`: what is there with other contents stays. Raises UserError where nothing can be written."""
    from qhub_ext.tutorials import copy_into

    copies = copy_into(inside(root, path))
    if not copies:
        raise UnknownNameError("This installation of qhub_ext has no tutorials.", advice="Install it from its wheel.")
    whole = os.path.realpath(root)
    notebooks = [
        {"path": Path(os.path.relpath(copy.path, whole)).as_posix(), "title": copy.title, "here": copy.state}
        for copy in copies
        if copy.path.suffix == ".ipynb"
    ]
    return {"path": notebooks[0]["path"].rpartition("/")[0], "notebooks": notebooks}
