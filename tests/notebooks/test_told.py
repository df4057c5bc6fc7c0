"""What is held against the outputs of a tutorial: other words, columns and kinds are seen, other numbers, ids and orders are not."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.notebooks.execution import NOTEBOOKS
from tests.notebooks.told import BY_CHANCE_TAG, heads, own_places, shapes, stale

TABLE = """\
job     state        waited  ran
──────  ───────────  ──────  ──────────
7qm3xd  ✓ completed  0.01 s  1 min 05 s
h4mmt1  ✓ completed  12 s    3.6 s
"""


def notebook(*outputs: nbformat.NotebookNode, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("shown()", outputs=list(outputs), metadata={"tags": list(tags)})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 00"), cell])


def printed(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", name=name, text=text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TABLE, TABLE.replace("7qm3xd", "zzz9zz").replace("0.01 s", "2 h 05 min")),
        (TABLE, "\n".join([*TABLE.splitlines()[:2], *reversed(TABLE.splitlines()[2:])])),
        ("{'11': 498, '00': 491, '10': 8}", "{'00': 500,\n '11': 500}"),
        ("seen   …/numeric.py:232: raised in ones", "seen   /usr/lib/python3/numeric.py:12: raised in ones"),
        ("task vf017a78ba68e4881acf on kingston", "task aaaaaaaabaaaaaaaaaaa0 on kingston"),
        ("from 288631aeaf79 (2026-04-15 07:15) to", "from 0fedcbabcdef (10:15:00) to"),
        ("t2_s of q75  0.000133  0.000201", "t2_s of q5  0.13  6.33e-05"),
        ("65527 MiB are free", "1.5 GiB are free"),
        ("the breakdown: most of it, 8.5 s, was classical", "the breakdown: most of it, 8 s, was environment"),
    ],
)  # fmt: skip
def test_what_is_another_in_every_execution_is_no_difference(one: str, other: str) -> None:
    assert shapes(one) == shapes(other)
    assert stale(notebook(printed(one)), notebook(printed(other))) == []


@pytest.mark.parametrize("root", ["/check/work/main", "/srv/a b/qhub", "/work"])
def test_wherever_the_checkout_lies_its_folders_are_shown_to_nobody(root: str) -> None:
    places = own_places(Path(root))
    assert places.sub("…/", f"seen {root}/.venv/lib/numeric.py:232: raised") == "seen …/numeric.py:232: raised"
    assert places.sub("…/", f"Python at {root}/python.") == "Python at …/python."
    assert places.sub("…/", f"/mnt{root}/x and http://host{root}/x") == f"/mnt{root}/x and http://host{root}/x"


def test_a_message_that_is_worded_anew_is_found_on_both_sides() -> None:
    found = stale(notebook(printed("It has ended: cancelled.\n")), notebook(printed("It can never start.\n")))
    assert found == ["cell 1 shows what is not printed: It has ended: cancelled.", "cell 1 does not show: It can never start."]  # fmt: skip


def test_a_column_more_a_state_or_an_output_of_another_kind_is_found() -> None:
    assert stale(notebook(printed(TABLE)), notebook(printed(TABLE.replace("ran", "ran  on"))))
    assert stale(notebook(printed(TABLE)), notebook(printed(TABLE.replace("✓ completed", "✗ failed"))))
    assert stale(notebook(printed(TABLE)), notebook(printed(TABLE, "stderr")))
    assert stale(notebook(printed(TABLE)), notebook())
    picture = nbformat.v4.new_output("display_data", data={"image/png": "", "text/plain": "<Figure>"})
    assert stale(notebook(picture), notebook(printed("<Figure>")))


def test_of_a_cell_that_chance_fills_the_heads_are_held() -> None:
    other_rows = "\n".join([*TABLE.splitlines()[:2], "nothing  held", "", "A sentence."])
    assert heads(other_rows) == TABLE.splitlines()[0]
    assert stale(notebook(printed(TABLE), tags=(BY_CHANCE_TAG,)), notebook(printed(other_rows))) == []
    assert stale(notebook(printed(TABLE), tags=(BY_CHANCE_TAG,)), notebook(printed(TABLE.replace("waited", "stood"))))


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_word_more_in_any_output_of_a_tutorial_would_be_found(path) -> None:
    committed, now = nbformat.read(path, as_version=4), nbformat.read(path, as_version=4)
    assert stale(committed, now) == []
    texts = [o for c in now.cells if BY_CHANCE_TAG not in c.metadata.get("tags", []) for o in c.get("outputs", [])]
    for output in texts:
        where, key = (output, "text") if output.output_type == "stream" else (output.data, "text/plain")
        before, where[key] = where[key], where[key] + "\nand so on"
        assert len(stale(committed, now)) == 1, before
        where[key] = before
