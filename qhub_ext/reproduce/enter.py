"""Builds the environment of a job's lock on the node, and becomes the runner in it.

python -m qhub_ext.reproduce.enter FOLDER ENVIRONMENTS
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from qhub_ext.errors import QhubError, QhubWarning
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import append_once
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import read_lock
from qhub_ext.jobfolder.outcome import Outcome, require_own, seal
from qhub_ext.reproduce.environments import build


def main(arguments: Sequence[str]) -> int:
    folder, number = JobFolder(Path(arguments[0]).absolute()), int(os.environ.get("QHUB_ATTEMPT") or 1)

    def tell(sentence: str) -> None:
        print(sentence, flush=True)
        append_once(
            folder.journal(f"build-{number}"), "phase", attempt=number, phase="node", text="builds its environment"
        )

    began = time.time()
    try:
        require_own(folder)
        with warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("always", QhubWarning)
            python = build(read_lock(folder), str(folder.lock), Path(arguments[1]), tell)
        for one in noticed:
            print(f"qhub: {one.message}", flush=True)
    except QhubError as error:
        attempt = folder.attempt(number)
        attempt.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = Outcome(State.FAILED.value, began, time.time(), error.cause.value, error.message, error.advice)
        seal(attempt, told)
        print(f"qhub: {error}", file=sys.stderr)
    else:
        os.execv(python, [str(python), "-m", "qhub_ext.runner", str(folder.path)])  # noqa: S606 - no shell
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
