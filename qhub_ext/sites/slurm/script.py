"""JobFolder -> the batch script. Pure: the same folder and settings always give the same text.

No name that a person chose is in it; what the site's qhub.toml says is.
"""

from __future__ import annotations

import shlex
import textwrap

from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.settings import SlurmSettings
from qhub_ext.sites.slurm.options import DUPLICATE, NO_FOLDER, NO_ROOM, arguments, ask
from qhub_ext.sites.start import start_of


def render_script(folder: JobFolder, spec: JobSpec, settings: SlurmSettings) -> str:
    wanted = ask(spec, settings)
    asked = " ".join(["sbatch", *map(shlex.quote, arguments(spec, wanted))])
    record = "\n".join(
        f"#   {line}" for line in textwrap.wrap(asked, 110, break_long_words=False, break_on_hyphens=False)
    )
    own, command = start_of(folder, spec)
    launcher = "".join(f"{shlex.quote(word)} " for word in settings.launcher)
    path = shlex.quote(str(folder.path))
    before = ""
    if settings.prologue:
        lines = "\n".join(settings.prologue)
        before = f"# What this site does before every job (slurm.prologue of qhub.toml).\n{lines}\n"
    if own:
        before += f"# The environment of this tier (runtimes.{spec.tier} of qhub.toml).\n{own}"
    return f"""#!/bin/bash
# Runs one job of qhub_ext on a node of Slurm. It is handed over with these arguments, and none is written here, so that
# nothing in this file can change them:
{record}
# Every file of the job lies in its own folder. Exit code {NO_FOLDER}: this node does not see it.
cd -- {path} || exit {NO_FOLDER}
# Which attempt this is: the first of this submission, and one more for every time that Slurm started it again.
export QHUB_ATTEMPT=$(( ${{QHUB_FIRST_ATTEMPT:-1}} + ${{SLURM_RESTART_COUNT:-0}} ))
# Slurm interrupts with TERM before the time limit and does not say why: from this second on, that is the reason.
export QHUB_TIME_UP_S={wanted.time_up_s}
# Nobody else may read what the job writes.
umask 077
# Exit code {NO_ROOM}: the folder cannot be written to, most often because the file system or a quota is full.
mkdir -p "attempts/$QHUB_ATTEMPT" || exit {NO_ROOM}
# From here on, what is printed outside of the cell goes to the attempt's console.
exec >> "attempts/$QHUB_ATTEMPT/console.log" 2>&1 || exit {NO_ROOM}
# Who runs this attempt, written beside and then linked, which fails when there is one already: should the same job ever be
# queued twice, whoever comes second ends here with exit code {DUPLICATE}.
printf '{{"site":"slurm","site_id":"%s","node":"%s","at":%s}}\\n' "${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}" "$SLURMD_NODENAME" \\
  "${{EPOCHREALTIME/,/.}}" > "attempts/$QHUB_ATTEMPT/.launch.$SLURM_JOB_ID" || exit {NO_ROOM}
ln "attempts/$QHUB_ATTEMPT/.launch.$SLURM_JOB_ID" "attempts/$QHUB_ATTEMPT/launch.json" || exit {DUPLICATE}
rm -f "attempts/$QHUB_ATTEMPT/.launch.$SLURM_JOB_ID"
{before}# exec: the runner takes the place of this shell, so that the TERM of Slurm reaches the runner.
exec {launcher}{command}
"""


def render_dispatcher(array: JobFolder, offset: int) -> str:
    """What Slurm runs for each element of an array; `offset` is added to Slurm's number of the element."""
    elements = shlex.quote(str(array.elements))
    return f"""#!/bin/bash
# One element of an array of qhub_ext. Each has a script of its own; Slurm says which number this is.
script={elements}/$(( SLURM_ARRAY_TASK_ID + {offset} ))/script
# Exit code {NO_FOLDER}: this node does not see the job's folder.
[ -r "$script" ] || exit {NO_FOLDER}
# exec: the element's script takes the place of this shell, and explains itself.
exec /bin/bash "$script"
"""
