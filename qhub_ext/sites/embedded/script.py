"""The script of a job on this site: one line that becomes the runner."""

from __future__ import annotations

from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.sites.start import start_of


def render_script(folder: JobFolder, spec: JobSpec | None) -> str:
    """Pure. No name that a user chose is in it: only the path of the folder, that of Python, and what qhub.toml says of the tier."""
    before, command = start_of(folder, spec)
    return (
        "#!/bin/bash\n"
        "# Runs one job of qhub_ext. The launcher of the embedded site starts it, with QHUB_ATTEMPT set, in the job folder;\n"
        "# the wall time, and the TERM and KILL that end it, are kept by the site's daemon.\n"
        "# exec: the runner takes the place of this shell, so that a TERM reaches the runner.\n"
        f"{before}exec {command}\n"
    )
