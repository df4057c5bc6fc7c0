"""The sidebar as people use it: with the keyboard alone, with the mouse, and when it is not in sight at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.desk import Desk

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def crowded(desk: Desk) -> Iterator[Desk]:
    """Two CPUs, both taken by one job; another waits for them."""
    first = desk.lab.submit(SLEEP, name="in the way", tier="local", cpus=2)
    second = desk.lab.submit("print(1)", name="in line", tier="local", cpus=2)
    desk.open()
    desk.show_jobs()
    expect(desk.row("in the way").first).to_contain_text("running", timeout=60_000)
    expect(desk.row("in line").first).to_contain_text("queued")
    yield desk
    for job in (second, first):
        if not job.record.state.final:
            job.cancel()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.innerText"))


def test_jobs_are_found_and_cancelled_with_the_keyboard_alone(crowded: Desk) -> None:
    page = crowded.page
    page.keyboard.press("Alt+Shift+J")
    assert "in line" in focused(page)
    page.keyboard.press("ArrowDown")
    assert "in the way" in focused(page)
    dialog = page.get_by_role("dialog")
    page.keyboard.press("Delete")
    expect(dialog).to_contain_text("in the way")
    expect(dialog.get_by_role("button", name="Back")).to_be_focused()  # what is safe is the default
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(crowded.row("in the way").first).to_be_focused()
    page.keyboard.press("Delete")
    expect(dialog.get_by_role("button", name="Back")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(crowded.row("in the way").first).to_contain_text("cancelled", timeout=60_000)
    expect(crowded.row("in line").first).to_contain_text("completed", timeout=60_000)


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
    expect(toast).to_contain_text("ZeroDivisionError", timeout=60_000)
    toast.get_by_role("button", name="Show sidebar").click()
    expect(desk.row("bound to fail").first).to_be_visible()


def test_running_jobs_stand_beside_kernels_and_end_there_only_after_a_question(crowded: Desk) -> None:
    page = crowded.page
    crowded.run("running:show-panel")
    item = page.locator(".jp-RunningSessions-item").filter(has_text="in the way")
    item.hover()
    item.get_by_title("Cancel this job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    expect(item).to_have_count(0, timeout=60_000)


def test_ten_thousand_jobs_open_about_as_fast_as_a_hundred(desk: Desk) -> None:
    took = {}
    for count in (100, 10_000):
        listing = Listing(desk, count)
        page = desk.open()
        page.route("**/qhub_ext/**", listing.answer)
        desk.run("filebrowser:activate")
        page.reload()
        desk.settled()
        listing.served()
        took[count] = min(open_ms(desk) for _ in range(5))
        rows = desk.sidebar.get_by_role("row")
        expect(desk.sidebar.get_by_role("grid")).to_have_attribute("aria-rowcount", str(count))
        assert rows.count() < 60
        rows.first.press("End")
        expect(desk.row(f"job {0} of {count}").first).to_be_focused()
        page.unroute("**/qhub_ext/**")
    assert took[10_000] < 3 * took[100] + 50


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


class Listing:
    """Answers for the server: a shelf of so many jobs would take minutes to fill."""

    def __init__(self, desk: Desk, count: int) -> None:
        self.page, self.count = desk.page, count
        self.jobs = [self._job(n) for n in reversed(range(count))]
        self.sent = 0

    def _job(self, n: int) -> dict[str, Any]:
        moments = {"created_at": 1e9 + n, "submitted_at": 1e9 + n, "running_at": 1e9 + n, "ended_at": 1e9 + n + 1}
        texts = {"cause": None, "message": "", "reason": "", "phase": "", "site": "embedded"}
        return {
            "id": f"01kay{n // 1000:04d}-{n:06d}",
            "short_id": f"{n:06d}",
            "name": f"job {n} of {self.count}",
            "tier": "local",
            "device": "kingston",
            "state": "completed",
            "size": None,
            "done": None,
            "as_of": None,
            "stale_since": None,
            **moments,
            **texts,
        }

    def answer(self, route: Route) -> None:
        asked = re.search(r"qhub_ext/(jobs|changes)\?", route.request.url)
        page = {"counts": {"completed": self.count}, "epoch": "pretended", "seq": 1}
        if asked is None:
            if "/status" in route.request.url:
                status = route.fetch().json() | {"epoch": "pretended", "seq": 1}
                route.fulfill(json=status)
            else:
                route.continue_()
        elif asked[1] == "changes":
            route.fulfill(json=page | {"jobs": [], "removed": [], "complete": True})
        else:
            offset, limit = (
                int(re.search(rf"{name}=(\d+)", route.request.url + "&offset=0")[1]) for name in ("offset", "limit")
            )  # type: ignore[index]
            some = self.jobs[offset : offset + limit]
            self.sent += len(some)
            route.fulfill(body=json.dumps(page | {"jobs": some, "total": self.count}), content_type="application/json")

    def served(self) -> None:
        """Waits until the page has all of them."""
        while self.sent < self.count:
            self.page.wait_for_timeout(20)
