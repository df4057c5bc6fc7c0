"""Output without end, one output that is too large, and a disk that is full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.jobfolder.outputs import read_messages
from tests.runner.conftest import RUNNER, Run, Workshop
from tests.small_disk import fill, small_disk
from tests.waiting import wait_until

MIB = 1024 * 1024


def test_printing_without_end_is_cut_with_a_notice_and_can_be_interrupted(workshop: Workshop) -> None:
    cell = """
n = 0
print('the beginning')
while True:
    print('line', n, 'x' * 200)
    n += 1
    if n == 20_000:
        open('enough', 'w').close()
"""
    run = workshop.start(cell, output_limit_mb=1, grace_s=60).until_it_prints("the middle is cut")
    wait_until((workshop.root / "enough").exists, what="four times the limit")
    run.stop("cancel").wait()
    assert run.outcome["state"] == "cancelled"
    assert run.attempt.outputs.stat().st_size < 2 * MIB
    assert run.text.startswith("the beginning")
    assert "of output were cut here: the limit is 1.0 MiB" in run.text
    assert run.outputs[-1]["ename"] == "KeyboardInterrupt"
    last = run.text[: run.text.rindex("KeyboardInterrupt")]
    assert "line" in last[last.rindex("were cut here") :]


def test_the_end_of_a_long_output_is_kept(workshop: Workshop) -> None:
    cell = "print('begin')\nfor n in range(60_000):\n    print(n, 'y' * 60)\nprint('end')\n1 / 0\n"
    run = workshop.run(cell, output_limit_mb=1)
    assert run.text.startswith("begin\n0 ")
    assert "\nend\n" in run.text
    assert run.outputs[-1]["ename"] == "ZeroDivisionError"
    assert "were cut here" in run.text


def test_many_lines_come_in_few_messages(workshop: Workshop) -> None:
    run = workshop.run("for n in range(20_000):\n    print(n)\n")
    assert run.text.split() == [str(n) for n in range(20_000)]
    assert len(list(read_messages(run.attempt))) < 200


def test_output_that_is_cut_takes_no_memory(workshop: Workshop) -> None:
    run = workshop.run("for _ in range(150):\n    print('x' * 10_000_000)\n", output_limit_mb=1, memory_mb=256)
    assert run.outcome["state"] == "completed", run.outcome


def test_one_huge_print_is_cut_in_its_middle(workshop: Workshop) -> None:
    run = workshop.run("print('head' + 'x' * 200_000_000 + 'tail')\ndone = True\n", output_limit_mb=1)
    assert run.outcome["state"] == "completed"
    assert run.text.startswith("headxxx")
    assert run.text.rstrip().endswith("xxxtail")
    assert "190 MiB of output were cut" in run.text or "189 MiB of output were cut" in run.text
    assert run.attempt.outputs.stat().st_size < 2 * MIB


def test_one_huge_display_is_left_out_with_a_notice(workshop: Workshop) -> None:
    cell = "from IPython.display import HTML, display\ndisplay(HTML('x' * 5_000_000))\nprint('after')\n"
    run = workshop.run(cell, output_limit_mb=1)
    assert run.outcome["state"] == "completed"
    assert "after" in run.text
    assert "4.8 MiB of output were cut" in run.text


def test_a_picture_redrawn_for_ever_still_shows_its_last_state(workshop: Workshop) -> None:
    cell = """
from IPython.display import HTML, display
handle = display(HTML("first"), display_id=True)
import time
for n in range(300):
    handle.update(HTML(f"<p>{n}</p>" + "z" * 10_000))
time.sleep(0.2)
handle.update(HTML("last"))
"""
    run = workshop.run(cell, output_limit_mb=1)
    assert [o["data"]["text/html"] for o in run.outputs if "data" in o] == ["last"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "small").mkdir(mode=0o700)
    with small_disk(tmp_path / "small", 2048) as disk:
        yield disk


def test_a_full_disk_costs_outputs_and_not_the_verdict(workshop: Workshop, disk: Path) -> None:
    cell = f"""
print("before")
try:
    with open({str(disk / "filler")!r}, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
except OSError as error:
    print("full:", error.strerror, flush=True)
value = list(range(1000))
for n in range(100):
    print("z" * 1000, flush=True)
"""
    run = workshop.run(workshop.folder(cell, at=disk))
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "resources"), run.outcome
    assert "disk of the job folder is full" in run.outcome["message"]
    assert "before" in run.text
    assert not run.attempt.reserve.exists()


def test_a_disk_that_has_room_again_loses_nothing(workshop: Workshop, disk: Path) -> None:
    cell = f"""
import os
filler = {str(disk / "filler")!r}
try:
    with open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
except OSError:
    pass
print("while it was full", flush=True)
import time
time.sleep(0.5)
os.remove(filler)
"""
    run = workshop.run(workshop.folder(cell, at=disk))
    assert run.outcome["state"] == "completed", run.outcome
    assert "while it was full" in run.text


def test_a_disk_error_of_the_cell_itself_is_a_matter_of_resources(workshop: Workshop, disk: Path) -> None:
    run = workshop.run(f"open({str(disk / 'big')!r}, 'wb').write(b'x' * 4_000_000)\n")
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "resources")
    assert "No space left on device" in run.outcome["message"]


def test_a_job_is_not_begun_without_room_for_its_verdict(workshop: Workshop, disk: Path) -> None:
    folder = workshop.folder("print('never')\n", at=disk)
    folder.attempt(1).path.mkdir(parents=True)
    fill(disk, leave_pages=16)
    process = subprocess.run([*RUNNER, str(folder.path)], capture_output=True, check=False)
    assert process.returncode == 1, process.stderr
    assert "not begun" in Run(folder).outcome["message"]
