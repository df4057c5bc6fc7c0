"""How a job's script starts the runner: the lines before, and the command. The same on every site."""

from __future__ import annotations

import shlex
import sys

from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder


def start_of(folder: JobFolder, spec: JobSpec | None) -> tuple[str, str]:
    """Pure. `spec` is None where the folder is not written yet."""
    python, path = (spec.python if spec is not None else "") or sys.executable, str(folder.path)
    launch = None if spec is None else spec.launch
    if launch is None:
        return "", shlex.join([python, "-m", "qhub_ext.runner", path])
    module = (
        ["qhub_ext.reproduce.enter", path, launch.environments] if launch.environments else ["qhub_ext.runner", path]
    )
    return "".join(f"{line}\n" for line in launch.before), shlex.join([*launch.prefix, python, "-m", *module])
