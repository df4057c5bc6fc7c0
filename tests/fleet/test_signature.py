"""Failures that are alike have one signature, on every machine; nothing of one job or one user is left in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.diagnosis.fleet.signature import LONGEST, normalise, signature_id, signature_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[Errno 2] No such file or directory: '/home/alice/data.csv'", '[Errno 2] No such file or directory: "/scratch/bob/x y/points.h5"'),
        ("cannot open /home/alice/a.txt", "cannot open ~/b/c.txt"),
        ("The broker at /run/qhub/broker.sock cannot be reached: refused.", "The broker at /tmp/x/broker.sock cannot be reached: refused."),
        ("https://api.example.org:443/v1/jobs?id=7 answered 503", "http://10.0.0.7/jobs answered 503"),
        ("job 01kayt4w2-7qm3xd was lost on node17", "job 01kbbbbw2-8zz3xd was lost on node3"),
        ("used 4096 MiB, over the job's 2,048 MiB", "used 12 MiB, over the job's 8 MiB"),
        ("object at 0x7f3a2b4c5d6e is dead", "object at 0x1 is dead"),
        ("<Circuit object at 0x7f3a2b4c5d6e> is no target", "<Sampler object at 0x10> is no target"),
        ("shapes (3,4) and (5,6) do not fit", "shapes (30,40) and (5,6) do not fit"),
        ("name 'energy' is not defined", "name 'secret_project' is not defined"),
        ("solve() missing 1 required positional argument: 'x'", "run_all() missing 1 required positional argument: 'theta'"),
        ("host login1.cluster.example.org does not answer", "host n3.other.example.com does not answer"),
        ("bad values [1, 2, 3]", "bad values [4.5e-3]"),
        ("task 6f1c2a90-1111-2222-3333-444455556666 failed", "task 00000000-aaaa-bbbb-cccc-444455556666 failed"),
        ("snapshot 9c8b7a6d5e4f of ibm_kingston is gone", "snapshot 00aa11bb22cc of ibm_fez is gone"),
    ],
)  # fmt: skip
def test_what_differs_in_paths_ids_numbers_and_quoted_words_alone_is_alike(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("name 'x' is not defined", "name 'x' is not callable"),
        ("division by zero", "integer division result too large"),
        ("The job reached its wall time of 60 s", "The job was cancelled"),
    ],
)
def test_what_differs_in_words_is_not_alike(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.text(max_size=300))
def test_a_signature_is_one_short_printable_line_and_its_own_signature(text: str) -> None:
    once = normalise(text)
    assert once == normalise(once)
    assert len(once) <= LONGEST
    assert once.isprintable()


@given(st.from_regex(r"[A-Za-z]+: (secret[a-z]{4,9})", fullmatch=True))
def test_what_a_cell_raised_by_itself_is_told_by_its_kind_alone(text: str) -> None:
    error = {"ename": "ValueError", "evalue": text, "facts": {"own": True}}
    assert signature_of("", "", error) == "ValueError raised by the cell itself"


def test_the_sites_own_word_goes_before_its_sentence_and_the_id_is_the_same_everywhere() -> None:
    signature = signature_of("The node n17 failed.", "NODE_FAIL")
    assert signature == "NODE_FAIL: The node <name> failed."
    assert signature_id("integration", signature) == "5c32717b03ab"
    assert signature_id("integration", signature) != signature_id("code", signature)
    assert signature_id("code", "") == ""


def test_a_long_signature_is_no_longer_than_a_broker_takes() -> None:
    long = signature_of("", error={"ename": "DeviceError", "evalue": "no answer came " * 40, "facts": {}})
    assert long.startswith("DeviceError: no answer came")
    assert len(long) <= 200
