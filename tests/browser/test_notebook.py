"""What a notebook has of jobs: cards that outlive kernels and pages, outputs that come back once, a choice, a cell or all of it as a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, expect

from tests.browser.axe import violations
from tests.browser.desk import Desk
from tests.browser.lab import CARD
from tests.waiting import wait_until

LOAD = "%load_ext qhub_ext"


def outputs_of(path: Path, cell: int) -> list[dict[str, Any]]:
    return list(nbformat.read(path, 4).cells[cell].outputs)


def texts(outputs: list[dict[str, Any]]) -> list[str]:
    """Cards as their state, streams and displays as their text, errors by their name."""
    return [_text(o) for o in outputs]


def _text(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    found = data[CARD]["state"] if CARD in data else output.get("text") or output.get("ename") or data["text/plain"]
    return str(found).rstrip()


def ended(desk: Desk, card: Locator | None = None, state: str = "completed") -> None:
    expect(card or desk.card).to_have_attribute("data-state", state)


def save(desk: Desk) -> None:
    desk.run("docmanager:save")


def test_outputs_come_back_under_each_card_once_and_those_of_a_new_attempt_replace_them(desk: Desk) -> None:
    marks = desk.lab.home / "marks"
    cell = f"%%qpu --tier local,emulation\nwith open({str(marks)!r}, 'a') as f: print('x', file=f)\nprint(len(open({str(marks)!r}).readlines()) > 2)"
    path = desk.lab.notebook("attempts.ipynb", LOAD, cell)
    desk.open_notebook("attempts.ipynb")
    desk.run_all()
    expect(desk.card).to_have_count(2)
    for number in range(2):
        ended(desk, desk.card.nth(number))
    plain = desk.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stdout']")
    expect(plain).to_have_text(["False", "False"])
    save(desk)
    assert texts(outputs_of(path, 1)) == ["completed", "False", "completed", "False"]

    desk.card.first.get_by_role("button", name="Requeue").click()
    expect(plain).to_have_text(["True", "False"])
    expect(desk.card.first).to_contain_text("attempt 2")
    save(desk)
    outputs = outputs_of(path, 1)
    assert texts(outputs) == ["completed", "True", "completed", "False"]
    assert [o["metadata"]["qhub"]["attempt"] for o in outputs if "metadata" in o] == [2, 1]
    nbformat.validate(nbformat.read(path, 4))


def test_a_card_outlives_its_kernel_and_takes_what_came_while_the_notebook_was_closed(desk: Desk) -> None:
    go = desk.lab.home / "go"
    cell = f"%%qpu --tier local\nimport os, time\nprint('waiting', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)\nprint('gone')\n1/0"
    path = desk.lab.notebook("closed.ipynb", LOAD, cell)
    desk.open_notebook("closed.ipynb")
    desk.run_all()
    ended(desk, state="running")
    expect(desk.card.locator(".qhub-Card-log")).to_have_text("waiting")
    desk.expect_errors("Canceled future")  # JupyterLab's own, of what it had asked the old kernel
    desk.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(desk.card).to_have_attribute("data-state", "running")
    desk.close()
    expect(desk.card).to_have_count(0)
    go.touch()
    wait_until(lambda: all(s.state == "failed" for s in desk.lab.service.jobs() if "waiting" in s.name))

    desk.run("docmanager:open", path="closed.ipynb")
    ended(desk, state="failed")
    expect(desk.page.locator(".jp-OutputArea")).to_contain_text(["", "gone"])
    save(desk)
    card, printed, error = outputs_of(path, 1)
    assert texts([card, printed, error]) == ["failed", "waiting\ngone", "ZeroDivisionError"]
    assert "ZeroDivisionError" in card["data"]["text/plain"]
    assert "<table" in card["data"]["text/html"]


def test_a_cell_that_waited_has_its_outputs_once(desk: Desk) -> None:
    path = desk.lab.notebook("waited.ipynb", LOAD, "%%qpu --tier local --wait --name patient\nprint('once')")
    desk.open_notebook("waited.ipynb")
    desk.run_all()
    ended(desk)
    save(desk)
    assert json.dumps(outputs_of(path, 1)).count("once") == 1


def test_a_choice_holds_for_the_cells_and_is_kept_in_the_notebook(desk: Desk) -> None:
    path = desk.lab.notebook("chosen.ipynb", LOAD, "%%qpu\n1", "%qpu use emulation --device fez")
    desk.open_notebook("chosen.ipynb")
    tier = desk.page.get_by_role("combobox", name="Tier of the quantum cells")
    device = desk.page.get_by_role("combobox", name="Device of the quantum cells")
    expect(tier).to_have_value("local")
    assert violations(desk.page.locator(".qhub-Picker")) == []
    device.select_option("marrakesh")
    desk.page.locator(".jp-Cell").first.click()
    desk.run("notebook:run-cell-and-select-next")
    desk.run("notebook:run-cell-and-select-next")
    ended(desk)
    expect(desk.card).to_contain_text("marrakesh")
    desk.run("notebook:run-cell")
    expect(tier).to_have_value("emulation")
    expect(device).to_have_value("fez")
    save(desk)
    assert nbformat.read(path, 4).metadata["qhub"] == {"tier": "emulation", "device": "fez"}
    desk.reload()
    desk.notebook_ready()
    expect(device).to_have_value("fez")


def test_a_cell_runs_as_a_job_from_its_toolbar_and_stays_as_it_is(desk: Desk) -> None:
    path = desk.lab.notebook("plain.ipynb", "base = 20", "base * 2 + 2")
    desk.open_notebook("plain.ipynb")
    desk.page.locator(".jp-Cell").first.click()
    desk.run("notebook:run-cell-and-select-next")
    cell = desk.page.locator(".jp-Cell").nth(1)
    cell.click()
    cell.get_by_role("button", name="Run this cell as a job on").click()
    ended(desk)
    expect(cell).to_contain_text("42")
    save(desk)
    saved = nbformat.read(path, 4).cells[1]
    assert saved.source == "base * 2 + 2"
    assert texts(saved.outputs) == ["completed", "42"]


def test_a_notebook_is_submitted_as_one_job_after_it_was_saved(desk: Desk) -> None:
    desk.lab.notebook("whole.ipynb", "print('the whole notebook')")
    desk.open_notebook("whole.ipynb")
    desk.run("notebook:insert-cell-below")
    desk.start("qhub-ext:submit-notebook")
    dialog = desk.page.get_by_role("dialog")
    expect(dialog).to_contain_text("saved first")
    assert violations(dialog) == []
    dialog.get_by_role("button", name="Save and submit").click()
    job = wait_until(lambda: next((s for s in desk.lab.service.jobs() if "whole" in s.name), None))
    desk.run("qhub-ext:open-job", id=job.id)
    view = desk.page.locator(".qhub-Job")
    expect(view.get_by_role("tabpanel")).to_contain_text("the whole notebook")


def test_a_job_view_follows_the_log_and_is_there_again_after_a_reload(desk: Desk) -> None:
    go = desk.lab.home / "go on"
    job = desk.lab.submit(
        f"import os, time\nfor n in range(200): print('line', n, flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)\nfor n in range(200, 400): print('line', n, flush=True)",
        name="many lines",
        tier="local",
    )
    desk.open(workspace="kept")
    desk.run("qhub-ext:open-job", id=job.id)
    view = desk.page.locator(".qhub-Job")
    view.get_by_role("tab", name="Log").click()
    log = view.get_by_role("region", name="Log")
    expect(log.get_by_text("line 199", exact=True)).to_be_in_viewport()
    log.evaluate("node => { node.scrollTop = 0; }")
    to_end = view.get_by_role("button", name="To the end")
    expect(to_end).to_be_visible()
    go.touch()
    expect(log).to_contain_text("line 399")
    expect(log.get_by_text("line 0", exact=True)).to_be_in_viewport()
    to_end.click()
    expect(log.get_by_text("line 399", exact=True)).to_be_in_viewport()

    expect(view).to_contain_text("completed")
    wait_until(lambda: job.id in json.dumps(desk.lab.ask("lab/api/workspaces/kept")), what="the saved layout")
    desk.page.goto(f"{desk.lab.address}lab/workspaces/kept?token={desk.lab.token}")
    desk.settled()
    expect(view).to_contain_text("many lines")
