"""A command that is started ahead works beside the process that has started it; what it may use stays the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from qhub_ext.sites.slurm import apart
from qhub_ext.sites.slurm.apart import move_apart


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """It waits for the end of its stdin."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    yield process
    process.communicate(timeout=60)


@pytest.mark.parametrize("runnable", [2, 10_000], ids=["an idle machine", "a busy machine"])
def test_a_child_may_use_the_same_cpus_as_before(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, runnable: int
) -> None:
    before = os.sched_getaffinity(child.pid)
    monkeypatch.setattr(apart, "_runnable", lambda: runnable)
    move_apart(child.pid)
    assert os.sched_getaffinity(child.pid) == before
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("runnable", "cpus", "moves"),
    [(1, 1, False), (2, 2, True), (3, 2, False), (3, 8, True), (5, 8, False), (17, 64, True), (18, 64, False)],
)
def test_it_is_moved_where_most_cpus_are_free_and_never_to_this_one(
    monkeypatch: pytest.MonkeyPatch, runnable: int, cpus: int, moves: bool
) -> None:
    asked: list[set[int]] = []
    everyone = set(range(cpus))
    monkeypatch.setattr(apart, "_runnable", lambda: runnable)
    monkeypatch.setattr(apart, "_own_cpu", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(everyone))
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cpus: asked.append(set(cpus)))
    move_apart(os.getpid())
    assert asked == ([everyone - {0}, everyone] if moves else [])


def test_this_thread_runs_where_it_says() -> None:
    allowed = os.sched_getaffinity(0)
    one = min(allowed)
    os.sched_setaffinity(0, {one})
    try:
        assert apart._own_cpu() == one
    finally:
        os.sched_setaffinity(0, allowed)
    assert apart._runnable() >= 1


def test_a_child_that_has_ended_meanwhile_is_no_trouble(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_runnable", lambda: 2)
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=60)
    move_apart(child.pid)


@pytest.mark.parametrize("told", [b"", b"1.0 2.0", b"x y z w v", None])
def test_where_proc_tells_other_things_nothing_is_moved(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, told: bytes | None
) -> None:
    def read(path: str) -> bytes:
        if told is None:
            raise FileNotFoundError(path)
        return told

    monkeypatch.setattr(apart, "_read", read)
    before = os.sched_getaffinity(child.pid)
    move_apart(child.pid)
    assert os.sched_getaffinity(child.pid) == before
