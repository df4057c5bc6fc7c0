"""A profile by py-spy: on request, where it is installed; a sentence where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qhub_ext.jobfolder.layout import AttemptFolder
from qhub_ext.runner import sampling
from qhub_ext.runner.sampling import MISSING, NOTE, functions_of
from tests.runner.conftest import Workshop

BUSY = """
import glob, os, time, threading

def looking():
    # what py-spy says when it has found its way into this process; that takes it a while on a busy machine
    for name in glob.glob("/proc/[0-9]*/status"):
        try:
            with open(name) as file:
                ours = f"PPid:\\t{os.getpid()}\\n" in file.read()
            if ours and "Sampling" in open(os.path.dirname(name) + "/fd/1").read():
                return True
        except OSError:
            continue

while not looking():
    time.sleep(0.05)

def burn():
    end = time.thread_time() + 0.8
    # by its own processor time: on a busy machine it goes on for longer, as do the looks
    while time.thread_time() < end:
        sum(range(1000))
other = threading.Thread(target=burn)
other.start()
burn()
other.join()
"""


def test_the_functions_that_took_time_are_named_also_those_of_other_threads(shared_workshop: Workshop) -> None:
    run = shared_workshop.run(BUSY, profile_sampled=True)
    assert run.outcome["state"] == "completed"
    told = json.loads(run.attempt.profile.read_text())
    assert told["note"] == NOTE
    (burn,) = [row for row in told["functions"] if row["function"] == "burn"]
    assert (burn["file"], burn["calls"]) == ("the cell", None)
    assert burn["all_s"] > 0.5
    assert not any("ipykernel" in row["file"] for row in told["functions"])


def test_where_it_is_not_installed_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sampling, "_program", lambda: None)
    profile = sampling.Sampling(AttemptFolder(tmp_path / "1"))
    profile.begin()
    profile.write()
    assert profile.note == MISSING
    assert not (tmp_path / "1").exists()


def test_stacks_are_counted_from_the_cell_on() -> None:
    stacks = [
        "run (ipykernel/kernelapp.py:1);<module> (/tmp/ipykernel_7/1.py:1);f (/tmp/ipykernel_7/1.py:2) 30",
        "run (ipykernel/kernelapp.py:1);<module> (/tmp/ipykernel_7/1.py:1);f (/tmp/ipykernel_7/1.py:2);dot (/x/site-packages/numpy/core.py:9) 70",
        "run (ipykernel/kernelapp.py:1);poll (zmq/poll.py:3) 500",
        "nonsense",
        "",
    ]
    rows = functions_of(stacks)
    assert [(row["function"], row["file"], row["own_s"], row["all_s"]) for row in rows] == [
        ("dot", "numpy/core.py", 0.7, 0.7),
        ("f", "the cell", 0.3, 1.0),
        ("<module>", "the cell", 0.0, 1.0),
    ]
