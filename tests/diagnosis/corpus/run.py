"""Runs the cases side by side and adds up what was said of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qhub_ext.errors import Cause, QhubError
from tests.diagnosis.corpus import devices, doubts, queue, surroundings, user_code
from tests.diagnosis.corpus.case import Case, Said
from tests.diagnosis.corpus.place import Place, place_at, until

WITHIN_S = 150.0
# those that take long begin first
CASES: tuple[Case, ...] = (
    queue.LATE, *queue.CASES, *surroundings.CASES, *devices.CASES, *doubts.CASES, *user_code.CASES,
)  # fmt: skip


def run(root: Path, cases: Sequence[Case] = CASES, tell: Callable[[str], None] = lambda _: None) -> list[Said]:
    with place_at(root) as place, small_disk(root / "disk") as disk:
        place.disk = disk
        chosen = [case for case in cases if "$DISK" not in case.cell or disk is not None]
        jobs = []
        for case in chosen:
            jobs.append((case, place.submit(case)))
            tell(f"submitted: {case.name}")
        begun = time.monotonic()
        said = []
        for case, job in jobs:
            if case.meanwhile is not None:
                case.meanwhile(job, place)
            came = until(
                lambda case=case, job=job: case.until(job), max(1.0, WITHIN_S - (time.monotonic() - begun)), case.name
            )  # type: ignore[misc]
            said.append(_look(case, place, came))
            tell(f"{time.monotonic() - begun:5.1f} s looked at: {case.name}: {said[-1].cause or 'nothing'}")
        return said


def _look(case: Case, place: Place, came: bool) -> Said:
    job = place.jobs[case.name]
    if not came:
        return Said(case, "unknown", "", "it never came", f"{job.state}: {job.logs()[-300:]}", 0, job.id)
    os.environ["QHUB_CONFIG"] = str(job.service.settings.shelf / "none.toml")
    try:
        why = job.explain()
    except QhubError as error:
        return Said(case, "unknown", "", type(error).__name__, str(error), 0, job.id)
    finally:
        del os.environ["QHUB_CONFIG"]
    best = why.findings[0] if why.findings else None
    confidence, rule, clues = (best.confidence.value, best.rule, len(best.clues)) if best else ("", "", 0)
    return Said(case, why.cause, confidence, rule, why.sentence, clues, job.id)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of 1 MiB; None where nothing can be mounted."""
    folder.mkdir(parents=True)
    mount = shutil.which("mount")
    made = (
        mount
        and subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "qhub-test", str(folder)], capture_output=True, check=False
        ).returncode
        == 0
    )
    try:
        yield folder if made else None
    finally:
        if made:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def matrix(said: Sequence[Said]) -> str:
    """Rows are the causes that cases have, columns those that were told."""
    causes = [*(cause.value for cause in Cause), ""]
    seen = Counter((one.case.cause, one.cause) for one in said)
    rows = [c for c in causes if any(one.case.cause == c for one in said)]
    columns = [c for c in causes if any(one.cause == c for one in said)]
    words = {c: c or "nothing" for c in causes}
    width = max(len(words[c]) for c in causes) + 1
    lines = [f"{'is':<{width}}" + "".join(f"{words[c]:>{max(8, len(words[c]) + 2)}}" for c in columns)]
    for row in rows:
        cells = "".join(f"{seen[row, c] or '·':>{max(8, len(words[c]) + 2)}}" for c in columns)
        lines.append(f"{words[row]:<{width}}{cells}")
    right, silent = sum(one.right for one in said), sum(one.silent for one in said)
    wrong = [one for one in said if one.wrong]
    lines.append(f"{right} of {len(said)} right, {silent} unknown, {len(wrong)} wrong")
    lines += [
        f"  {'unknown' if one.silent else 'WRONG'}: {one.case.name}: {one.cause or 'nothing'} ({one.confidence} {one.rule}) instead of {one.case.cause or 'nothing'}: {one.sentence[:200]}"
        for one in said
        if not one.right
    ]
    return "\n".join(lines)
