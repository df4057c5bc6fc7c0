"""A notebook that is killed, again and again, while it submits: python -m tests.slurm.client SETTINGS.json ROUNDS"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from qhub_ext.capture.request import Request
from qhub_ext.service import JobService
from qhub_ext.settings import Settings


def main(settings: str, rounds: int) -> None:
    service = JobService(Settings.model_validate_json(Path(settings).read_text()))
    dice = random.Random(7)
    service.run(Request(time_s=60), "pass", {})  # what is imported late is there now
    longest = 0.01
    for _ in range(rounds):
        child = os.fork()
        if not child:
            try:
                service.run(Request(time_s=60), "pass", {})
            finally:
                os._exit(0)
        time.sleep(dice.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        longest *= 1.2 if os.WIFSIGNALED(status) else 0.8  # as long as a submission takes here and now


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
