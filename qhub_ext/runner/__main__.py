"""`python -m qhub_ext.runner FOLDER`, and `--warm --like FOLDER --imports a,b,c` for a kernel that is kept ready."""

from __future__ import annotations

import time

_BEGAN = time.monotonic()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]  # a json.py in the directory of submission must not decide whether the job runs

from qhub_ext.errors import QhubError  # noqa: E402
from qhub_ext.jobfolder.atomic import read_json_or_none  # noqa: E402
from qhub_ext.jobfolder.layout import JobFolder  # noqa: E402
from qhub_ext.runner.allocation import attempt_number  # noqa: E402
from qhub_ext.runner.kernel import JobKernel, kernel_environment  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m qhub_ext.runner", description="Executes one job folder.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--warm", action="store_true", help="boot a kernel now, read the job from stdin later")
    parser.add_argument("--like", type=Path, metavar="FOLDER", help="take the environment of this job")
    parser.add_argument("--imports", default="", help="what a warm kernel imports, separated by commas")
    options = parser.parse_args(arguments)
    try:
        if options.warm:
            if options.like is None:
                parser.error("--warm needs --like FOLDER")
            return _run_warm(JobFolder(options.like.absolute()), [n for n in options.imports.split(",") if n])
        if options.folder is None:
            parser.error("which FOLDER?")
        return _run_cold(JobFolder(options.folder.absolute()))
    except QhubError as error:
        print(f"qhub: {error}", file=sys.stderr)
        return 2


def _boot(folder: JobFolder) -> JobKernel:
    runtime = read_json_or_none(folder.runtime) or {}
    return JobKernel(kernel_environment(runtime.get("environment") or {}))


def _run_cold(folder: JobFolder) -> int:
    kernel = _boot(folder)  # first of all: it boots on the other core while this process reads on
    from qhub_ext.runner.attempt import run_attempt
    from qhub_ext.runner.supervisor import Signals

    return run_attempt(folder, attempt_number(os.environ), kernel, Signals(), _BEGAN)


def _run_warm(like: JobFolder, imports: list[str]) -> int:
    kernel = _boot(like)
    from qhub_ext.runner.attempt import run_attempt, wait_until_imported
    from qhub_ext.runner.supervisor import Signals

    try:
        if not wait_until_imported(kernel, imports):
            return 1
        print("ready", flush=True)
        line = sys.stdin.readline()
        if not line.strip():
            return 0
        order = json.loads(line)
        began = time.monotonic()
        return run_attempt(JobFolder(Path(order["folder"])), int(order["attempt"]), kernel, Signals(), began)
    finally:
        kernel.close()


if __name__ == "__main__":
    sys.exit(main())
