"""Everything of the sidebar and of a job without a mouse."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.waiting import wait_until

SLEEP = "import time\ntime.sleep(600)"


def test_jobs_are_reached_opened_and_cancelled_by_keys_alone(desk: Desk) -> None:
    lab = desk.lab
    first = lab.submit(SLEEP, name="keys one", tier="local")
    second = lab.submit(SLEEP, name="keys two", tier="local")
    page = desk.open()
    press = page.keyboard.press

    # from the palette, as any command of JupyterLab
    desk.from_palette("Show Quantum Jobs")
    expect(desk.row("keys two")).to_contain_text("running")
    expect(desk.row("keys one")).to_contain_text("running")

    # the focus is in the list; two rows are selected with Shift
    expect(desk.sidebar.locator("[role=row]:focus")).to_have_count(1)
    press("Home")
    expect(desk.row("keys two")).to_be_focused()
    press("Shift+ArrowDown")
    expect(desk.row("keys one")).to_be_focused()
    expect(desk.sidebar.locator("[role=row][aria-selected=true]")).to_have_count(2)

    # Enter opens a job beside the notebooks, whose tabs arrows walk through
    press("Enter")
    view = page.locator(".qhub-Job")
    expect(view.get_by_role("heading", name="keys one")).to_be_visible()
    view.get_by_role("tab", name="Outputs").focus()
    press("ArrowRight")
    expect(view.get_by_role("tab", name="Log")).to_be_focused()
    expect(view.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    press("End")
    expect(view.get_by_role("tab", name="Attempts")).to_be_focused()

    # Delete asks; a hasty Enter changes nothing, and Tab leads to yes
    dialog = page.get_by_role("dialog")
    for keys in (["Enter"], ["Tab", "Enter"]):
        assert lab.service.record(first.id).state == "running"
        desk.row("keys one").focus()
        press("Delete")
        expect(dialog).to_contain_text("Cancel 2 jobs?")
        expect(dialog.get_by_role("button", name="Back")).to_be_focused()
        for key in keys:
            press(key)
        expect(dialog).to_have_count(0)
    expect(desk.row("keys one")).to_contain_text("cancelled")
    expect(desk.row("keys two")).to_contain_text("cancelled")
    wait_until(lambda: {lab.service.record(job.id).state for job in (first, second)} == {"cancelled"})


def test_a_notebook_goes_elsewhere_as_jobs_by_keys_alone(desk: Desk) -> None:
    desk.lab.notebook("keys.ipynb", "6 * 7")
    desk.open_notebook("keys.ipynb")
    page, press = desk.page, desk.page.keyboard.press
    tier, device = (page.get_by_role("combobox", name=f"{what} of the quantum cells") for what in ("Tier", "Device"))
    expect(tier).to_have_value("local")

    # the toolbar is one stop of Tab, within which arrows walk
    page.get_by_role("button", name="Save and create checkpoint").focus()
    for _ in range(20):
        if tier.evaluate("node => node === document.activeElement"):
            break
        press("ArrowRight")
    expect(tier).to_be_focused()
    press("e")
    expect(tier).to_have_value("emulation")
    press("ArrowRight")
    expect(device).to_be_focused()
    expect(tier).to_have_value("emulation")
    press("f")
    expect(device).to_have_value("fez")

    desk.from_palette("Run Selected Cell as a Quantum Job")
    expect(desk.card).to_have_attribute("data-state", "completed")
    expect(desk.card).to_contain_text("fez")
    desk.from_palette("Submit Notebook as a Quantum Job")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("as one job?")
    press("Enter")
    expect(dialog).to_have_count(0)
    wait_until(lambda: "keys.ipynb" in {job.name for job in desk.lab.service.jobs()}, what="the job")


def test_tab_walks_through_the_sidebar_and_out_of_it(desk: Desk) -> None:
    desk.lab.submit("print(1)", name="walked by", tier="local")
    page = desk.open()
    desk.show_jobs()
    expect(desk.row("walked by")).to_contain_text("completed")
    desk.sidebar.get_by_role("button", name="Ask anew").focus()
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        inside = desk.sidebar.evaluate("node => node.contains(document.activeElement)")
        if not inside:
            break
        told = page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        outline = page.evaluate(
            "(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none')(getComputedStyle(document.activeElement))"
        )
        focused = page.evaluate("document.activeElement.matches(':focus-visible')")
        seen.append(told.split("\n")[0])
        assert focused, seen
        assert outline or "Search" in told, f"nothing shows that the focus is on {told!r}"
    else:
        raise AssertionError(f"Tab does not leave the sidebar: {seen}")
    assert [word for word in ("Tiers", "Devices", "Search in jobs", "Tier", "waiting") if any(word in s for s in seen)] == [
        "Tiers", "Devices", "Search in jobs", "Tier", "waiting",
    ], seen  # fmt: skip
    assert any("walked by" in s for s in seen), seen
