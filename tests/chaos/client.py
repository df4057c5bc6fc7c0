"""A notebook kernel that submits a row of jobs and watches them; run as a process of its own, to be killed.

    python -m tests.chaos.client SETTINGS.json FOLDERS.txt PROGRESS

PROGRESS gets a line per batch after it was submitted. One that is started again sends what PROGRESS does not have, and
so sends again what was on its way when it died.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.settings import Settings
from qhub_ext.sites.embedded.site import EmbeddedSite

BATCH = 4


def main(settings: str, folders: str, progress: str) -> None:
    site = EmbeddedSite(Settings.model_validate_json(Path(settings).read_text()))
    jobs = [JobFolder(Path(line)) for line in Path(folders).read_text().splitlines()]
    done = len(Path(progress).read_text().splitlines()) if Path(progress).exists() else 0
    for start in range(done * BATCH, len(jobs), BATCH):
        batch = jobs[start : start + BATCH]
        if start:
            batch = [*batch, jobs[start // 2]]  # an old one again, by mistake
        site.submit(batch)
        with open(progress, "a") as file:
            file.write(f"{start}\n")
        site.poll([job.id for job in jobs])
        time.sleep(0.02)
    while site.poll([job.id for job in jobs]):
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
