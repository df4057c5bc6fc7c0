"""What squeue, sacct and scontrol print, read back; names may be anything."""

from __future__ import annotations

import pytest

from qhub_ext.sites.slurm.accounting import Memory, parse_memory, parse_sacct, parse_scontrol
from qhub_ext.sites.slurm.listing import expand, holds_several, parse_duration, parse_rows

NASTY = "a b 'c' \"d\" | e\n<b>\tf, $(g) \\ é"


def row(key: str = "7", task: str = "N/A", state: str = "RUNNING", name: str = NASTY, comment: str = "qhub x") -> str:
    fields = ["7", task, key, state, "None", "1", "1795449758", "1795449750", "1-02:03:04", "one01", "2666", "narrow"]
    fields += ["development", "root", "qhub", "1", "(null)", "(null)", "N/A", comment, name]
    return "\x1f".join(fields) + "\x1e\n"


def test_a_row_keeps_every_field_whatever_the_name_is() -> None:
    rows = parse_rows(row() + row("8", name="\x1fodd"))
    assert rows is not None
    assert rows["7"].name == NASTY
    assert rows["8"].name == "\x1fodd"
    assert rows["7"].restarts == 1
    assert rows["7"].limit_s == 93784
    assert rows["7"].start == 1795449758.0
    assert rows["7"].licenses == ""


def test_waiting_elements_in_one_line_become_rows() -> None:
    rows = parse_rows(row(task="0-2,7%4", state="PENDING"))
    assert rows is not None
    assert list(rows) == ["7_0", "7_1", "7_2", "7_7"]
    assert expand("8_[0-4:2,7%4]") == ["8_0", "8_2", "8_4", "8_7"]
    assert expand("8_[3]") == ["8_3"]
    assert expand("12+0") == ["12+0"]


@pytest.mark.parametrize(
    ("reason", "several"),
    [
        ("JobArrayTaskLimit,JobHeldUser", True),
        ("launch failed requeued held,JobArrayTaskLimit", True),
        ("JobArrayTaskLimit,launch failed requeued held", True),
        ("JobArrayTaskLimit", False),
        ("ReqNodeNotAvail, May be reserved for other job", False),
        ("ReqNodeNotAvail, UnavailableNodes:n1,n2", False),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions", False),
    ],
)
def test_the_reasons_of_several_elements_are_told_from_one_with_a_comma(reason: str, several: bool) -> None:
    assert holds_several(reason) is several


@pytest.mark.parametrize("text", ["<html>no</html>", row()[:-5], "7\x1f8\x1e\n", "JOBID PARTITION\n7 narrow\n"])
def test_what_is_not_our_format_or_was_cut_short_is_no_answer(text: str) -> None:
    assert parse_rows(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5:00", 300),
        ("1:02:03", 3723),
        ("1-00:00:00", 86400),
        ("0:30", 30),
        ("UNLIMITED", None),
        ("", None),
        ("90", 5400),
    ],
)
def test_durations_are_read_as_slurm_writes_them(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


def test_sacct_tells_each_attempt_who_cancelled_and_odd_names() -> None:
    one = "\x1f".join(["7", "REQUEUED", "0:0", "None", "one01", "10", "20", "30", "00:03:00", "a\nb"])
    two = "\x1f".join(
        ["7", "CANCELLED by 1001", "0:15", "None", "None assigned", "31", "40", "50", "Partition_Limit", "a\nb"]
    )
    (key, endings), *_ = parse_sacct(f"{two}\n{one}\n").items()
    assert key == "7"
    assert [e.state for e in endings] == ["REQUEUED", "CANCELLED"]
    assert endings[1].by == 1001
    assert endings[1].signal == 15
    assert endings[1].nodes == ""
    assert [e.limit_s for e in endings] == [180, None]


def test_a_name_cannot_forge_a_field_of_scontrol() -> None:
    text = (
        "JobId=1 JobName=x JobState=COMPLETED UserId=root(0) GroupId=root(0) JobState=FAILED Reason=None ExitCode=3:0 "
    )
    assert parse_scontrol(text)["JobState"] == "FAILED"


STEPS = """7||billing=1,cpu=1,mem=8M,node=1
7.batch|11206K|cpu=1,mem=8M,node=1
7.0|1.5G|cpu=1,mem=8M,node=1
70.batch|9T|cpu=1,mem=8M,node=1
sacct: error: something else
"""


def test_the_memory_of_an_attempt_is_the_most_of_its_steps_beside_what_the_whole_was_given() -> None:
    assert parse_memory("7", STEPS) == Memory(1536.0, 8.0)
    for text in (
        "",
        "sacct: error",
        "7||cpu=1\n7.batch|11206K|\n",
        "7||mem=8M\n7.batch||\n",
        "7||mem=8M\n7.batch|?|\n",
    ):
        assert parse_memory("7", text) is None
