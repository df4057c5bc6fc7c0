"""Messages fold into what a notebook would show."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.jobfolder.outputs import fold_outputs, text_of, text_of_message


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"kind": "stream", "name": name, "text": text}


def display(html: str, display_id: str | None = None, kind: str = "display_data") -> dict[str, Any]:
    return {"kind": kind, "data": {"text/html": html}, "metadata": {}, "display_id": display_id}


def shown(*messages: dict[str, Any]) -> list[str]:
    return [o.get("text") or o["data"]["text/html"] for o in fold_outputs(messages)]


def test_a_stream_grows_until_another_output_comes() -> None:
    assert shown(stream("a"), stream("b"), stream("c", "stderr"), stream("d")) == ["ab", "c", "d"]


def test_an_update_changes_every_display_of_its_id_and_adds_none() -> None:
    update = display("new", "one", "update_display_data")
    assert shown(display("x", "one"), display("y", "two"), display("z", "one"), update) == ["new", "y", "new"]
    assert shown(update) == []


def test_clearing_is_at_once_or_with_the_next_output() -> None:
    clear, later = {"kind": "clear_output", "wait": False}, {"kind": "clear_output", "wait": True}
    assert shown(stream("a"), clear) == []
    assert shown(stream("a"), later) == ["a"]
    assert shown(stream("a"), later, stream("b")) == ["b"]
    assert shown(display("x", "one"), clear, display("new", "one", "update_display_data")) == []


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (stream("as it is"), "as it is"),
        ({"kind": "error", "ename": "E", "evalue": "v", "traceback": ["a", "b"]}, "a\nb\n"),
        ({"kind": "error", "ename": "E", "evalue": "v", "traceback": []}, "E: v\n"),
        ({"kind": "display_data", "data": {"text/plain": "<Figure>", "image/png": ""}}, "<Figure>\n"),
        ({"kind": "display_data", "data": {"image/png": ""}}, "[image/png]\n"),
        ({"kind": "clear_output", "wait": True}, ""),
        ({"kind": "of a newer version"}, ""),
    ],
)
def test_every_message_has_a_plain_text(message: dict[str, Any], text: str) -> None:
    assert text_of_message(message) == text
    assert "".join(map(text_of, fold_outputs([message]))) == text


TEXTS = st.text(st.characters(), max_size=5)
MESSAGES = st.one_of(
    st.builds(stream, TEXTS, st.sampled_from(["stdout", "stderr"])),
    st.builds(display, TEXTS, st.sampled_from([None, "one"]), st.sampled_from(["display_data", "update_display_data"])),
    st.builds(lambda wait: {"kind": "clear_output", "wait": wait}, st.booleans()),
    st.builds(lambda t: {"kind": "error", "ename": "E", "evalue": t, "traceback": [t]}, TEXTS),
    st.builds(lambda t: {**display(t, kind="execute_result"), "execution_count": 1}, TEXTS),
)


@given(st.lists(MESSAGES, max_size=12))
def test_whatever_comes_the_notebook_is_valid_and_can_be_written(messages: list[dict[str, Any]]) -> None:
    cell = nbformat.v4.new_code_cell("x")
    cell["id"], cell["outputs"] = "cell", [nbformat.from_dict(o) for o in fold_outputs(messages)]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode("utf-8")
