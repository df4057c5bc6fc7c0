"""Every word of Slurm has a sentence; what nobody told us about is shown as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.job.state import State
from qhub_ext.sites.slurm.reasons import REASONS, explain, is_known
from qhub_ext.sites.slurm.states import SHORT, STATES, read_state

WORDS = (Path(__file__).parent / "data" / "reasons-22.05-to-25.11.txt").read_text().split()


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


def test_detail_behind_a_reason_is_kept() -> None:
    reason = explain("ReqNodeNotAvail, UnavailableNodes:emu[01-02]")
    assert reason.word == "ReqNodeNotAvail"
    assert "UnavailableNodes:emu[01-02]" in reason.sentence


SENTENCES = {  # what slurmctld writes where a word would do
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions": "A node that it needs",
    "ReqNodeNotAvail, Reserved for maintenance": "Reserved for maintenance",
    "job requeued in held state": "put back into the queue and is held",
    "job_requeued_in_special_exit_state": "marks as special",
    "launch_failed_requeued_held": "could not start it on its node",
    "Job's account not permitted to use this partition (qpu allows physics not chemistry)": "qpu allows physics not chemistry",
    "Job's QOS not permitted to use this partition (qpu denies tiny including tiny)": "does not admit its QOS",
    "Reservation cal was deleted": "It was called cal.",
}


@pytest.mark.parametrize("text", SENTENCES)
def test_a_sentence_of_slurms_own_is_explained_like_a_word(text: str) -> None:
    assert is_known(text)
    assert SENTENCES[text] in explain(text).sentence
    assert "Slurm says" not in explain(text).sentence
    assert (read_state("PENDING", text).state is State.HELD) == ("requeued" in text or "deleted" in text)


def test_a_reason_that_nobody_told_us_about_is_shown_raw() -> None:
    assert "'FluxCapacitor'" in explain("FluxCapacitor").sentence
    assert "FluxCapacitor" not in REASONS


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
