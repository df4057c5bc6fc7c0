"""Where the cell's time goes, by py-spy: it looks at this process from outside a hundred times a second, so that nothing becomes slower, and it sees
compiled code's callers and threads too. An extra (`qhub-ext[profile]`), on request.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import re
import signal
import subprocess
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.jobfolder.layout import AttemptFolder
from qhub_ext.runner.profile import CELL, KEPT, SCHEMA, short

RATE_HZ = 100
NOTE = (
    f"By py-spy, {RATE_HZ} samples a second over all threads of the cell; what took less than a few samples is missing."
)
MISSING = "No profile was taken: py-spy is not installed where the job ran (pip install 'qhub-ext[profile]')."
NOT_ALLOWED = "No profile was taken: py-spy may not look at the job's process here ({said})."
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>[^()]*?)(?::(?P<line>\d+))?\)")
_ENDS_WITHIN_S = 5.0
_PR_SET_PTRACER = 0x59616D61


class Sampling:
    """From `begin` to `write`, over all cells."""

    def __init__(self, attempt: AttemptFolder) -> None:
        self._attempt = attempt
        self._process: subprocess.Popen[bytes] | None = None
        self._stacks = Path(tempfile.mkdtemp(prefix="qhub-profile-")) / "stacks"
        self.note = ""

    def begin(self) -> None:
        if self._process is not None or self.note:
            return
        program = _program()
        if program is None:
            self.note = MISSING
            return
        command = [
            program,
            "record",
            "--pid",
            str(os.getpid()),
            "--format",
            "raw",
            "--function",
            "--full-filenames",
            "--nonblocking",
        ]
        command += ["--rate", str(RATE_HZ), "--duration", "unlimited", "--output", str(self._stacks)]
        try:
            with self._words.open("wb") as words:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True)  # fmt: skip
        except OSError as error:
            self.note = NOT_ALLOWED.format(said=error)
            return
        with contextlib.suppress(OSError, AttributeError):  # where only a parent may look, the child is let in
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, self._process.pid, 0, 0, 0)

    def end(self) -> None:
        """Between cells it looks on."""

    @property
    def _words(self) -> Path:
        return self._stacks.with_name("words")

    def write(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        try:
            rows = functions_of(self._stacks.read_text("utf-8", "replace").splitlines())
        except OSError:
            said = self._words.read_text("utf-8", "replace").strip().splitlines()[-1:] if self._words.exists() else []
            self.note = NOT_ALLOWED.format(said=" ".join(said) or f"exit code {self._process.returncode}")
            return
        with contextlib.suppress(OSError):  # a full disk costs the profile and not the job
            write_json(self._attempt.profile, {"schema": SCHEMA, "functions": rows, "note": NOTE})


def _program() -> str | None:
    """Beside the Python of this job: its PATH may be another's."""
    found = Path(sysconfig.get_path("scripts")) / "py-spy"
    if found.exists():
        return str(found)
    return None if importlib.util.find_spec("py_spy") is None else "py-spy"


def functions_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Of collapsed stacks, `outer;inner 12`: those that took most themselves first. Only what the cell called, or ran in a thread of its own."""
    own: Counter[tuple[str, str, int]] = Counter()
    whole: Counter[tuple[str, str, int]] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_frame(text) for text in stack.split(";")]
        first = next((n for n, frame in enumerate(frames) if frame is not None and short(frame[1]) == CELL), None)  # fmt: skip
        if first is None or not count.isdigit():
            continue
        below = [frame for frame in frames[first:] if frame is not None]
        own[below[-1]] += int(count)
        whole.update({frame: int(count) for frame in set(below)})
    most = sorted(whole, key=lambda frame: (-own[frame], -whole[frame], frame))[:KEPT]
    return [
        {"function": name, "file": short(file), "line": line, "calls": None, "own_s": own[name, file, line] / RATE_HZ, "all_s": whole[name, file, line] / RATE_HZ}
        for name, file, line in most
    ]  # fmt: skip


def _frame(text: str) -> tuple[str, str, int] | None:
    found = _FRAME.fullmatch(text.strip())
    return None if found is None else (found["function"], found["file"], int(found["line"] or 0))
