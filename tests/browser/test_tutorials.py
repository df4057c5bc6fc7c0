"""The tutorials from the launcher, the sidebar without jobs, and the keyboard: copied once, and opened."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from qhub_ext.tutorials import shipped
from tests.browser.axe import violations
from tests.browser.desk import Desk, Picture
from tests.browser.lab import Lab

FIRST = "01-first-job.ipynb"


def test_a_newcomer_comes_to_the_first_tutorial_and_keeps_what_was_changed(
    new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk], picture: Picture
) -> None:
    lab = new_lab(quiet=True)
    desk = desk_at(lab)
    desk.expect_errors("Could not restore the debugger state")  # JupyterLab's, of a notebook that is closed early
    page = desk.open()
    tab = page.get_by_role("tab", name=FIRST)

    # the empty sidebar, by keys alone
    desk.show_jobs()
    link = desk.sidebar.get_by_role("button", name="Open the tutorials")
    expect(link).to_be_visible()
    assert violations(desk.sidebar) == []
    picture("sidebar-no-jobs", desk.sidebar)
    link.focus()
    page.keyboard.press("Enter")
    expect(tab).to_be_visible()
    folder = lab.work / "qhub-tutorials"
    assert sorted(path.name for path in folder.iterdir() if path.suffix) == [
        file.name for file in shipped() if file.suffix == ".ipynb"
    ]

    # the launcher: its tab becomes the notebook; nothing is copied over
    desk.notebook_ready()
    discard = page.get_by_role("button", name="Discard")  # its kernel has told its language
    page.add_locator_handler(discard, lambda button: button.click())
    desk.start("application:close")
    expect(tab).to_have_count(0)
    (folder / FIRST).write_text((folder / FIRST).read_text().replace("# 01", "# My own 01"))
    launcher = page.locator(".jp-Launcher")
    card = launcher.locator(".jp-LauncherCard", has_text="qhub tutorials")
    expect(card).to_be_visible()
    picture("launcher", launcher)
    card.focus()
    page.keyboard.press("Enter")
    expect(tab).to_be_visible()
    expect(page.locator(".jp-NotebookPanel h1").first).to_contain_text("My own 01")
    expect(page.locator(".jp-DirListing-content")).to_contain_text(FIRST)
