"""The script of a job on this site: one line that becomes the runner."""

from __future__ import annotations

import shlex
import sys

from qhub_ext.jobfolder.layout import JobFolder


def render_script(folder: JobFolder, python: str) -> str:
    """Pure. No name that a user chose is in it: only the path of the folder and that of Python."""
    return (
        "#!/bin/bash\n"
        "# Runs one job of qhub_ext. The launcher of the embedded site starts it, with QHUB_ATTEMPT set, in the job folder;\n"
        "# the wall time, and the TERM and KILL that end it, are kept by the site's daemon.\n"
        "# exec: the runner takes the place of this shell, so that a TERM reaches the runner.\n"
        f"exec {shlex.quote(python or sys.executable)} -m qhub_ext.runner {shlex.quote(str(folder.path))}\n"
    )
