"""The record of what was asked for: its name is one that every file, database and screen can carry."""

from __future__ import annotations

import os
import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.job.spec import JobSpec


def named(name: str) -> JobSpec:
    return JobSpec("01kayt4w2-7qm3xd", name, "local", "kingston", 0.0, "me")


def test_a_file_name_that_was_read_in_another_encoding_is_its_own_again() -> None:
    assert named("größe".encode().decode("ascii", "surrogateescape")).name == "größe"
    assert named(os.fsdecode(b"gr\xf6\xdfe")).name == "gr��e"


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_name_goes_into_a_file_and_a_database_and_an_ordinary_one_stays(name: str) -> None:
    kept = named(name).name
    kept.encode()
    assert sqlite3.connect(":memory:").execute("SELECT ?", (kept,)).fetchone() == (kept,)
    assert named(kept).name == kept
    if not any("\ud800" <= letter <= "\udfff" for letter in name):
        assert kept == name
