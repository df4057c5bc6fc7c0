"""`python -m qhub_ext.runner FOLDER`, and `--warm --like FOLDER --imports a,b,c` for a kernel that is kept ready."""

from __future__ import annotations

import time

_BEGAN = time.monotonic()

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]  # a json.py in the directory of submission must not decide whether the job runs

from qhub_ext.errors import EnvironmentMismatchError, QhubError  # noqa: E402
from qhub_ext.jobfolder.atomic import read_json_or_none  # noqa: E402
from qhub_ext.jobfolder.layout import JobFolder  # noqa: E402
from qhub_ext.runner.kernel import JobKernel  # noqa: E402
from qhub_ext.telemetry.console import introduce, say  # noqa: E402

USAGE = """usage: python -m qhub_ext.runner FOLDER
       python -m qhub_ext.runner --warm --like FOLDER [--imports A,B,C]

Executes one job folder. --warm boots a kernel with the environment of the job in FOLDER, imports what is listed, prints
"ready PACKAGE-FOLDER", and reads one line from stdin: {"folder": ..., "attempt": N}. It leaves quietly when stdin ends.
"""


_WARM = {"--like", "--imports"}


def main(arguments: list[str], began: float = _BEGAN) -> int:
    """The usage is parsed by hand: argparse would be a tenth of what happens before the kernel starts."""
    try:
        if len(arguments) == 1 and not arguments[0].startswith("-"):
            return _run_cold(JobFolder(Path(arguments[0]).absolute()), began)
        words = dict(zip(arguments[1::2], arguments[2::2], strict=False))
        if arguments[:1] == ["--warm"] and len(arguments) % 2 == 1 and "--like" in words and set(words) <= _WARM:
            imports = [name for name in words.get("--imports", "").split(",") if name]
            return _run_warm(JobFolder(Path(words["--like"]).absolute()), imports)
    except QhubError as error:
        say(str(error), "error")
        return 2
    help_asked = bool({"-h", "--help"} & set(arguments))
    print(USAGE, file=sys.stdout if help_asked else sys.stderr, end="")
    return 0 if help_asked else 2


_OF_A_PLACE = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")


def _boot(folder: JobFolder) -> JobKernel:
    runtime = read_json_or_none(folder.runtime) or {}
    environment = dict(runtime.get("environment") or {})
    if runtime.get("prefix", sys.prefix) != sys.prefix:  # another place's paths lead to its packages
        for name in _OF_A_PLACE:
            environment.pop(name, None)
        environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    introduce("qhub-runner", {**environment, **os.environ})
    return JobKernel(environment)


def _run_cold(folder: JobFolder, began: float) -> int:
    try:
        kernel = _boot(folder)  # first of all: it boots on the other core while this process reads on
    except EnvironmentMismatchError as error:
        from qhub_ext.runner.allocation import attempt_number
        from qhub_ext.runner.attempt import refuse_attempt

        return refuse_attempt(folder, attempt_number(os.environ), error)
    from qhub_ext.runner.allocation import attempt_number
    from qhub_ext.runner.attempt import run_attempt
    from qhub_ext.runner.stopping import Signals

    return run_attempt(folder, attempt_number(os.environ), kernel, Signals(), began)


def _run_warm(like: JobFolder, imports: list[str]) -> int:
    kernel = _boot(like)
    import json

    from qhub_ext.runner.attempt import run_attempt, wait_until_imported
    from qhub_ext.runner.stopping import Signals

    try:
        if not wait_until_imported(kernel, imports, (read_json_or_none(like.runtime) or {}).get("own_path")):
            return 1
        print(f"ready {Path(__file__).parents[1]}", flush=True)
        line = sys.stdin.readline()
        if not line.strip():
            return 0
        order = json.loads(line)
        began = time.monotonic()
        return run_attempt(JobFolder(Path(order["folder"])), int(order["attempt"]), kernel, Signals(), began)
    finally:
        kernel.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
