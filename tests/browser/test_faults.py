"""What goes wrong under an open page: the server dies, its events stop, it does not know us any more, a folder is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.desk import Desk
from tests.browser.lab import Lab
from tests.waiting import wait_until

GONE = ("Failed to load resource", "WebSocket", "ERR_CONNECTION", "NetworkError", "Connection lost", "Failed to fetch")
"""What any page says on its console when its server is away."""
OURS = "**/qhub_ext/**"


def test_a_server_that_dies_and_comes_back_is_told_and_caught_up_with(
    new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]
) -> None:
    lab = new_lab()
    desk = desk_at(lab)
    lab.submit("print(1)", name="before the fall", tier="local")
    desk.open()
    desk.show_jobs()
    expect(desk.row("before the fall")).to_contain_text("completed")

    desk.dismiss_dialogs()
    desk.expect_errors(*GONE)
    lab.stop(hard=True)
    desk.sidebar.get_by_role("button", name="Ask anew").click()
    expect(desk.sidebar.get_by_text("The Jupyter server has not answered for")).to_be_visible()
    expect(desk.row("before the fall")).to_be_visible()  # what was known stays

    lab.submit("print(2)", name="while it was away", tier="local")
    lab.start()
    expect(desk.row("while it was away")).to_contain_text("completed")
    expect(desk.sidebar.get_by_text("has not answered")).to_have_count(0)


def test_a_page_whose_event_socket_is_cut_still_learns_of_jobs(desk: Desk) -> None:
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    desk.page.route_web_socket("**/api/events/subscribe*", through)
    desk.open()
    desk.show_jobs()
    wait_until(lambda: desk.page.evaluate("1") and sockets, what="the event socket")
    desk.expect_errors("WebSocket")
    desk.page.route_web_socket("**/api/events/subscribe*", lambda socket: socket.close())
    for socket in sockets:
        socket.close()
    desk.lab.submit("print(1)", name="in silence", tier="local")
    expect(desk.row("in silence")).to_contain_text("completed")


def test_a_user_whom_the_server_forgot_is_told_to_sign_in(
    new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]
) -> None:
    lab = new_lab()
    desk = desk_at(lab)
    desk.open()
    desk.show_jobs()
    expect(desk.sidebar.get_by_text("No jobs yet")).to_be_visible()
    desk.dismiss_dialogs()
    desk.expect_errors(*GONE, "401", "403", "Forbidden")

    # a proxy in front of the server, whose own session has ended
    desk.page.route(OURS, lambda route: route.fulfill(status=401, body="<h1>Sign in</h1>"))
    desk.sidebar.get_by_role("button", name="Ask anew").click()
    expect(desk.sidebar.get_by_text("reload the page and sign in again")).to_be_visible()
    desk.page.unroute(OURS)
    desk.sidebar.get_by_role("button", name="Ask anew").click()
    expect(desk.sidebar.get_by_text("No jobs yet")).to_be_visible()

    # the server itself: another token, and cookies of a secret that is no more
    lab.stop()
    lab.token = "another" * 5
    for secret in (lab.home / "runtime").glob("jupyter_cookie_secret"):
        secret.unlink()
    lab.start()
    desk.sidebar.get_by_role("button", name="Ask anew").click()
    expect(desk.sidebar.get_by_text("This server does not let you see jobs")).to_be_visible()
    expect(desk.sidebar.get_by_text("reload the page and sign in again")).to_be_visible()

    # and the server extension switched off
    desk.expect_errors("404")
    lab.stop()
    lab.options = ("--ServerApp.jpserver_extensions=qhub_ext=False",)
    lab.start()
    desk.open()
    desk.show_jobs()
    expect(desk.sidebar).to_contain_text("jupyter server extension enable qhub_ext")


def test_a_job_whose_folder_is_removed_leaves_the_sidebar_and_its_card_says_so(desk: Desk, tmp_path: Path) -> None:
    job = desk.lab.submit("print(1)", name="to be removed", tier="local")
    job.wait(240)
    desk.lab.notebook("removed.ipynb", "", outputs={0: [desk.lab.card(job)]})
    desk.open_notebook("removed.ipynb")
    desk.show_jobs()
    expect(desk.row("to be removed")).to_contain_text("completed")
    expect(desk.card).to_have_attribute("data-standing", "live")
    desk.expect_errors("404")
    job.folder.path.rename(tmp_path / "removed")  # at once, whoever may still write into it
    expect(desk.row("to be removed")).to_have_count(0)
    expect(desk.card).to_contain_text("Its folder was removed: these are the facts of before")
    expect(desk.card).to_contain_text("to be removed")
    desk.reload()  # now nothing tells it from a stranger's
    expect(desk.card).to_contain_text("Not one of your jobs, or its folder was removed")
