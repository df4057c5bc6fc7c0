"""The sidebar as people use it: with the keyboard alone, with the mouse, and when it is not in sight at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from qhub_ext.job.identity import new_job_id
from tests.benchmarks.bench_listing import finished_job
from tests.browser.axe import violations
from tests.browser.desk import Desk
from tests.browser.lab import Lab

SLEEP = "import time; time.sleep(600)"
MANY = 10_000


@pytest.fixture
def crowded(desk: Desk) -> Iterator[Desk]:
    """Two CPUs, both taken by one job; another waits for them."""
    first = desk.lab.submit(SLEEP, name="in the way", tier="local", cpus=2)
    second = desk.lab.submit("print(1)", name="in line", tier="local", cpus=2)
    desk.open()
    desk.show_jobs()
    expect(desk.row("in the way").first).to_contain_text("running")
    expect(desk.row("in line").first).to_contain_text("queued")
    yield desk
    for job in (second, first):
        if not job.record.state.final:
            job.cancel()


def test_jobs_are_found_and_cancelled_with_the_keyboard_alone(crowded: Desk) -> None:
    page = crowded.page
    page.keyboard.press("Alt+Shift+J")
    expect(crowded.row("in line").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(crowded.row("in the way").first).to_be_focused()
    dialog = page.get_by_role("dialog")
    page.keyboard.press("Delete")
    expect(dialog).to_contain_text("in the way")
    expect(dialog.get_by_role("button", name="Back")).to_be_focused()  # what is safe is the default
    assert violations(dialog) == []
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(crowded.row("in the way").first).to_be_focused()
    page.keyboard.press("Delete")
    expect(dialog.get_by_role("button", name="Back")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(crowded.row("in the way").first).to_contain_text("cancelled")
    expect(crowded.row("in line").first).to_contain_text("completed")


def test_the_context_menu_holds_and_releases_what_waits(crowded: Desk) -> None:
    page, row = crowded.page, crowded.row("in line").first
    row.click(button="right")
    menu = page.get_by_role("menu")
    expect(menu.get_by_role("menuitem", name="Release Job")).to_have_attribute("aria-disabled", "true")
    menu.get_by_role("menuitem", name="Hold Job").click()
    expect(row).to_contain_text("held")
    expect(page.locator(".qhub-StatusItem")).to_have_text("1 running, 1 held")
    row.hover()
    row.get_by_role("button", name="Release").click()
    expect(row).to_contain_text("queued")


def test_who_does_not_look_is_told_when_a_job_fails_and_led_to_it(desk: Desk) -> None:
    page = desk.open()
    desk.run("filebrowser:activate")
    desk.lab.submit("1/0", name="bound to fail", tier="local")
    toast = page.locator(".Toastify__toast").filter(has_text="bound to fail").filter(has_text="failed")
    expect(toast).to_contain_text("ZeroDivisionError")
    assert violations(toast) == []
    toast.get_by_role("button", name="Show sidebar").click()
    expect(desk.row("bound to fail").first).to_be_visible()


def test_running_jobs_stand_beside_kernels_and_end_there_only_after_a_question(crowded: Desk) -> None:
    page = crowded.page
    crowded.run("running:show-panel")
    item = page.locator(".jp-RunningSessions-item").filter(has_text="in the way")
    item.hover()
    item.get_by_title("Cancel this job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    expect(item).to_have_count(0)


@pytest.fixture
def full(front: None, tmp_path: Path) -> Iterator[Lab]:
    """A server that finds ten thousand jobs on its user's shelf. They stay: to remove them can take a slow disk minutes."""
    lab = Lab(tmp_path, quiet=True)
    fill(lab.home / "jobs", MANY)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


def test_ten_thousand_jobs_are_listed_and_the_sidebar_opens_in_a_blink(
    full: Lab, desk_at: Callable[[Lab], Desk]
) -> None:
    desk = desk_at(full)
    desk.open()
    desk.show_jobs()
    grid = desk.sidebar.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", str(MANY), timeout=120_000)
    took = min(open_ms(desk) for _ in range(5))
    print(f"opened in {took:.0f} ms")
    rows = desk.sidebar.get_by_role("row")
    assert rows.count() < 60
    rows.first.press("End")
    expect(grid.locator("[role=row]:focus")).to_have_attribute("aria-rowindex", str(MANY))
    assert took < 300


def fill(shelf: Path, count: int) -> None:
    """With jobs that ended an hour ago and before, in the two files that say so."""
    first = finished_job(shelf, 3600, time.time())
    files = {name: (first / name).read_text() for name in ("spec.json", "attempts/1/outcome.json")}
    for number in range(1, count):
        copy = shelf / new_job_id(time.time() - 3600 - number)
        (copy / "attempts" / "1").mkdir(parents=True)
        for name, text in files.items():
            (copy / name).write_text(text.replace(first.name, copy.name))


def open_ms(desk: Desk) -> float:
    """From the command until the rows are painted, in ms."""
    desk.run("filebrowser:activate")
    return float(
        desk.page.evaluate(
            """async () => {
              const began = performance.now();
              await window.jupyterapp.commands.execute('qhub-ext:show-jobs');
              const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
              while (!document.querySelector('.qhub-JobRow')) await painted();
              await painted();
              return performance.now() - began;
            }"""
        )
    )
