"""Every word of Slurm has a sentence; what nobody told us about is shown as it is.

The lists in data/ are all words and sentences that the versions from 22.05 to 26.05 can print, made from their sources: the names of
`enum job_state_reason` and of the states, and what slurmctld and its plug-ins put into a job's `state_desc`.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest

from qhub_ext.job.state import State
from qhub_ext.sites.slurm.limits import column_of
from qhub_ext.sites.slurm.reasons import REASONS, explain, is_known
from qhub_ext.sites.slurm.states import SHORT, STATES, read_state

DATA = Path(__file__).parent / "data"
WORDS = (DATA / "reasons-22.05-to-26.05.txt").read_text().split()
STATE_WORDS = [line.split() for line in (DATA / "states-22.05-to-26.05.txt").read_text().splitlines()]
SLURMS_OWN = (DATA / "sentences-22.05-to-26.05.txt").read_text().splitlines()
LIBRARIES = [*Path("/usr/lib").glob("*/slurm-wlm/libslurmfull.so"), *Path("/usr/lib64").glob("slurm/libslurmfull.so")]


@pytest.mark.parametrize("word", WORDS)
def test_every_reason_that_slurm_can_print_has_a_sentence_and_an_audience(word: str) -> None:
    assert is_known(word)
    reason = explain(word)
    assert reason.sentence.endswith(".")
    assert reason.sentence[0].isupper()
    assert "{" not in reason.sentence
    assert reason.audience in ("you", "site")
    assert reason.advice


def test_the_limits_differ_in_who_counts_what() -> None:
    qos = explain("QOSMaxJobsPerUserLimit", {"qos": " 'tiny'"})
    assert qos.sentence == "Your jobs together are as many as the QOS 'tiny' allows at a time."
    assert (
        "asks for more time than your account 'physics' allows"
        in explain("AssocMaxWallDurationPerJobLimit", {"account": " 'physics'"}).sentence
    )
    assert "minutes of CPUs left to run" in explain("MaxCpuRunMinsPerUser").sentence
    assert "less (memory)" in explain("QOSMinMemory").sentence


def test_every_limit_has_a_column_of_sacctmgr_that_holds_its_number() -> None:
    limits = [w for w in WORDS if re.search(r"Grp|Max.*Per(User|Account|Job|Node)|QOSMin|AssocMax|Threshold", w)]
    assert len(limits) > 120
    assert [word for word in limits if column_of(word) is None] == []
    assert [w for w in WORDS if w not in limits and column_of(w) is not None] == []
    assert column_of("MaxCpuRunMinsPerUser") == ("MaxTRESRunMinsPU", "tres")
    assert column_of("QOSMinMemory") == ("MinTRES", "tres")
    assert column_of("AssocGrpCPUMinutesLimit") == ("GrpTRESMins", "tres")


def test_detail_behind_a_reason_is_kept() -> None:
    reason = explain("ReqNodeNotAvail, UnavailableNodes:emu[01-02]")
    assert reason.word == "ReqNodeNotAvail"
    assert "UnavailableNodes:emu[01-02]" in reason.sentence


@pytest.mark.parametrize("text", SLURMS_OWN)
def test_a_sentence_of_slurms_own_is_explained_like_a_word(text: str) -> None:
    for written in (text, text.replace(" ", "_")):  # as squeue and as scontrol show it
        assert is_known(written)
        reason = explain(written)
        assert "Slurm says" not in reason.sentence
        assert reason.advice
        assert reason.sentence.endswith(".")
        assert ".." not in reason.sentence
        assert "{" not in reason.sentence
        held = (
            "requeued" in text or "deleted" in text or "holding" in text or "JobHeld" in text
        ) and "_state" not in text
        assert (read_state("PENDING", written).state is State.HELD) == held


TOLD = {
    "ReqNodeNotAvail, Reserved for maintenance": "Reserved for maintenance.",
    "Job's account not permitted to use this partition (qpu allows physics not chemistry)": "Partition qpu allows physics not chemistry",
    "Reservation cal was deleted": "It was called cal.",
    "RaisedSignal:9(Killed)": "signal 9: Killed.",
    "License request 'qpu_cloud:1' is no longer valid, holding job": "It asks for qpu_cloud:1.",
    "Job is at or exceeds QOS tiny's group max TRES(cpu) minutes of 100 with 120": "Used 120 of 100 minutes (cpu).",
    "Job is at or exceeds QOS tiny's group wall limit of 100 with 120": "Used 120 of 100 minutes.",
    "uid 1001 not in group permitted to use this partition (qpu). groups allowed: quantum": "qpu admits members of quantum.",
    "burst_buffer/lua: slurm_bb_data_in failed: no room": "It says: burst_buffer/lua: slurm_bb_data_in failed: no room.",
}


@pytest.mark.parametrize("text", TOLD)
def test_numbers_and_names_of_such_a_sentence_are_kept(text: str) -> None:
    assert TOLD[text] in explain(text).sentence


@pytest.mark.skipif(not LIBRARIES, reason="Slurm's library is not installed")
def test_every_word_that_the_installed_slurm_has_is_in_our_tables() -> None:
    """Asks Slurm's own library for each number of its enumerations."""
    library = ctypes.CDLL(str(LIBRARIES[0]))
    names = ("slurm_job_state_reason_string", "slurm_job_reason_string")  # since 24.05, and before
    reason_of = getattr(library, next(name for name in names if hasattr(library, name)))
    reason_of.restype = library.slurm_job_state_string.restype = library.slurm_job_state_string_compact.restype = (
        ctypes.c_char_p
    )
    words = {reason_of(number).decode() for number in range(1000)} - {"?", "InvalidReason"}
    words = {word for word in words if not word.isdigit()}
    assert len(words) > 150
    assert [word for word in words if not is_known(word)] == []
    assert words <= set(WORDS)
    states = [*range(12), *(1 << bit for bit in range(8, 24))]
    long, short = (
        [call(ctypes.c_uint32(number)).decode() for number in states]
        for call in (library.slurm_job_state_string, library.slurm_job_state_string_compact)
    )
    assert set(long) <= STATES.keys()
    assert {(SHORT[brief], word) for brief, word in zip(short, long, strict=True)} == {(word, word) for word in long}


def test_a_reason_that_nobody_told_us_about_is_shown_raw() -> None:
    assert "'FluxCapacitor'" in explain("FluxCapacitor").sentence
    assert "FluxCapacitor" not in REASONS


def test_the_table_of_states_holds_slurms_words_and_no_others() -> None:
    assert {line[0] for line in STATE_WORDS} == STATES.keys()
    assert {short: long for long, *shorts in STATE_WORDS for short in shorts}.items() <= SHORT.items()


@pytest.mark.parametrize("word", STATES)
def test_every_state_has_a_sentence_and_ends_name_a_cause(word: str) -> None:
    known = STATES[word]
    assert known.sentence.endswith(".")
    assert known.ended == known.state.final
    if known.ended and word not in ("COMPLETED", "FAILED"):
        assert known.cause is not None


def test_states_are_read_in_all_their_forms() -> None:
    assert read_state("CANCELLED by 1001").state is State.CANCELLED
    assert read_state("CANCELLED+").state is State.CANCELLED
    assert read_state("OOM").state is State.FAILED
    assert read_state("PENDING", "JobHeldUser").state is State.HELD
    assert read_state("PENDING", "launch_failed_requeued_held").state is State.HELD
    assert set(SHORT.values()) <= set(STATES)
    assert "LEVITATING" in read_state("LEVITATING").sentence
    assert not read_state("LEVITATING").ended
