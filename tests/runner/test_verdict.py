"""What was seen, judged: no process is needed for that."""

from __future__ import annotations

from typing import Any

import pytest

from qhub_ext.job.spec import JobSpec
from qhub_ext.runner.sighting import Sighting, Stop
from qhub_ext.runner.verdict import judge


def spec(**fields: Any) -> JobSpec:
    return JobSpec(id="j", name="a job", tier="local", device="kingston", created_at=0.0, owner="somebody", **fields)


def raised(name: str, value: str, line: int | None = 1, **fields: Any) -> str:
    seen = Sighting(
        reply={"status": "error"},
        error={"ename": name, "evalue": value},
        ended={"line": line, "kinds": [name]},
        cell_done=True,
    )
    return judge(spec(**fields), seen).message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("plain", "ValueError: plain (line 1 of the cell)."),
        ("ends.", "ValueError: ends (line 1 of the cell)."),
        ("multi\nline", "ValueError: multi … (line 1 of the cell)."),
        ("one line\n", "ValueError: one line (line 1 of the cell)."),
        ("x" * 400, f"ValueError: {'x' * 299}… (line 1 of the cell)."),
        ("", "ValueError (line 1 of the cell)."),
        (" \n", "ValueError (line 1 of the cell)."),
    ],
)
def test_a_message_is_one_sentence_that_shows_where_it_was_cut(value: str, said: str) -> None:
    assert raised("ValueError", value) == said


def test_a_message_without_a_place_ends_with_one_full_stop() -> None:
    assert raised("ValueError", "plain", line=None) == "ValueError: plain."
    assert raised("ValueError", "why?", line=None) == "ValueError: why?"


def test_a_line_of_a_script_is_named_after_its_file() -> None:
    assert raised("ValueError", "no", kind="script", file="/home/me/vqe.py") == "ValueError: no (line 1 of vqe.py)."


def test_lack_of_memory_tells_what_was_given() -> None:
    message = raised("MemoryError", "too large", memory_mb=512)
    assert message == "MemoryError: too large (line 1 of the cell). The job was given 512 MiB."


CRASH = """Fatal Python error: Segmentation fault

Thread 0x00007f1 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 327 in wait

Current thread 0x00007f2 (most recent call first):
{frames}
"""
CELL_FRAME = '  File "/tmp/ipykernel_77/1234.py", line 2 in <module>'
INNER_FRAME = '  File "/opt/site-packages/fast/core.py", line 9 in go'


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        ([CELL_FRAME], "SIGSEGV on line 2 of the cell: `crash()`."),
        ([INNER_FRAME, CELL_FRAME], "SIGSEGV in go (fast/core.py, line 9), called from line 2 of the cell: `crash()`."),
        ([INNER_FRAME], "SIGSEGV in go (fast/core.py, line 9)."),
        ([], "SIGSEGV. What"),
    ],
)
def test_a_crash_names_the_line_that_led_to_it(frames: list[str], place: str) -> None:
    report = CRASH.format(frames="\n".join([*frames, '  File "/opt/IPython/core.py", line 1 in run']) if frames else "")
    seen = Sighting(source="import x\ncrash()\n", returncode=-11, crash=report, cell_begun=True)
    assert place in judge(spec(), seen).message


@pytest.mark.parametrize(
    ("stop", "state", "said"),
    [
        (Stop("time", "SIGTERM", 30.4), "timed_out", "reached its wall time of 30 s; the cell"),
        (Stop("", "SIGTERM", 25.0), "timed_out", "reached its wall time of 30 s; the cell"),
        (
            Stop("", "SIGTERM", 121.0, time_up_s=75.0),
            "timed_out",
            "reached its wall time of 30 s after 121 s; the cell",
        ),
        (Stop("", "SIGTERM", 66.0, time_up_s=75.0), "cancelled", "the site left no word why"),
        (Stop("cancel", "SIGTERM", 121.0, time_up_s=75.0), "cancelled", "The job was cancelled"),
    ],
)
def test_the_time_is_up_when_the_site_says_so_and_the_time_told_is_the_true_one(
    stop: Stop, state: str, said: str
) -> None:
    found = judge(spec(time_s=30, grace_s=10), Sighting(stop=stop, reply={"status": "error"}, cell_begun=True))
    assert found.state.value == state
    assert said in found.message


@pytest.mark.parametrize(
    ("console", "cause", "said"),
    [
        ("Traceback / MemoryError", "resources", "the cell was not begun: there was less memory than it needs."),
        ("RuntimeError: can't start new thread", "resources", "no more threads, most often for want of memory."),
        ("No module named ipykernel", "environment", "the cell was not begun."),
    ],
)
def test_a_kernel_that_could_not_start_for_lack_of_memory_says_so(console: str, cause: str, said: str) -> None:
    found = judge(spec(), Sighting(returncode=1, console=console))
    assert found.cause == cause
    assert found.message.endswith(said)
