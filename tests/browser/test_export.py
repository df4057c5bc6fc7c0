"""A notebook whose job has ended, for readers without any of this: nbconvert's HTML and Markdown, and GitHub, which strips styles and scripts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.desk import Desk, Picture, Witness
from tests.browser.test_notebook import LOAD, ended, save

CELL = """
%%qpu --tier local --name "energy of a <b>ring</b>"
import sys
import matplotlib.pyplot as plt
import pandas as pd
import ipywidgets
from IPython.display import display

print("\\x1b[32mconverged\\x1b[0m after 12 steps")
plt.plot([1, 4, 9])
plt.show()
display(pd.DataFrame({"theta": [0.1, 0.2], "energy": [-1.1, -1.3]}))
display(ipywidgets.IntSlider(description="step"))
print("only a warning", file=sys.stderr)
angles = [0.1]
angles[7]
"""
SEEN = ("energy of a <b>ring</b>", "failed", "converged", "-1.3", "IntSlider", "only a warning", "Traceback")
"""In this order, the card before everything else."""


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """The notebook as the front end saved it."""
    return {}


@pytest.fixture
def notebook(desk: Desk, kept: dict[str, Any]) -> nbformat.NotebookNode:
    if not kept:
        path = desk.lab.notebook("exported.ipynb", LOAD, CELL)
        desk.open_notebook("exported.ipynb")
        desk.run_all()
        ended(desk, state="failed")
        expect(desk.page.locator(".jp-OutputArea")).to_contain_text(["", "IndexError"])
        save(desk)
        kept["notebook"] = nbformat.read(path, 4)
    nbformat.validate(kept["notebook"])
    return kept["notebook"]


@pytest.fixture
def reader(context: BrowserContext) -> Iterator[Page]:
    """A page of its own, as JupyterLab in another may still be saving; fails the test when what is shown asks anybody for anything."""
    page = context.new_page()
    witness = Witness(page)
    page.route("http**", lambda route: route.abort())
    yield page
    witness.verdict()


def places(text: str) -> list[int]:
    return [text.find(word) for word in SEEN]


def test_nbconvert_shows_the_card_and_then_each_output_once(
    notebook: nbformat.NotebookNode, reader: Page, picture: Picture
) -> None:
    kinds = [o.output_type for o in notebook.cells[1].outputs]
    assert kinds == ["execute_result", "stream", *["display_data"] * 3, "stream", "error"]
    exported, _ = HTMLExporter(require_js_url="", jquery_url="", mathjax_url="", widget_renderer_url="").from_notebook_node(notebook)  # fmt: skip
    reader.set_content(exported)
    outputs = reader.locator(".jp-OutputArea-output")
    told = "\n".join(outputs.all_inner_texts())
    assert places(told) == sorted(places(told))
    assert min(places(told)) >= 0, told
    lines = told.splitlines()
    assert [lines.count(line) for line in ("converged after 12 steps", "only a warning")] == [1, 1]
    assert "\x1b" not in told
    expect(reader.locator(".ansi-green-fg", has_text="converged")).to_have_count(1)
    expect(reader.locator(".jp-OutputArea-output img")).to_have_count(1)
    expect(reader.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(2)
    picture("nbconvert", reader.locator("main"))


def test_the_markdown_reads_as_that_of_a_cell_that_ran_here(notebook: nbformat.NotebookNode) -> None:
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    told = html.unescape(text)
    told = told[told.index("angles[7]") :]
    assert places(told) == sorted(places(told))
    assert min(places(told)) >= 0, told
    assert "\x1b" not in told[told.index("only a warning") :]  # nbconvert itself leaves colours in what was printed


def github(bundle: dict[str, Any]) -> str:
    """What is left of an output's HTML: no scripts, no styles, no classes."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", "".join(bundle.get("text/html", "")), flags=re.S)
    return re.sub(r"\s(style|class|id|on\w+)=(\"[^\"]*\"|'[^']*')", "", text)


def test_without_styles_the_card_is_a_heading_and_a_table(
    notebook: nbformat.NotebookNode, reader: Page, picture: Picture
) -> None:
    card = notebook.cells[1].outputs[0].data
    stripped = github(card)
    assert not re.search(r"style|class|script", stripped)
    reader.set_content(f"<body style='font: 14px sans-serif'>{stripped}")
    expect(reader.locator("b").first).to_have_text("energy of a <b>ring</b>")
    labels = reader.get_by_role("rowheader").all_inner_texts()
    assert labels[:2] == ["state", "runs on"]
    assert reader.get_by_role("row").count() == len(labels)
    expect(reader.get_by_role("row").filter(has_text="because")).to_contain_text("IndexError")
    expect(reader.get_by_role("row").filter(has_text="until")).to_contain_text(re.compile(r"\b20\d\d-\d\d-\d\d\b"))
    picture("github-card", reader.locator("body"))
