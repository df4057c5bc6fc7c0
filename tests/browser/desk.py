"""A page with JupyterLab in it, and what a person does there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, WebSocket, expect

from tests.browser.lab import Lab
from tests.waiting import wait_until

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

Picture = Callable[[str, Page | Locator], None]
"""Takes a picture under a name."""


class Witness:
    """Notes every request of a page that leaves this server and every error of the page; `verdict` fails on them."""

    def __init__(self, page: Page, port: int | None = None) -> None:
        """`port` of the server; None for a file, which may ask nobody."""
        self.page, self.port = page, port
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.expected: list[re.Pattern[str]] = []
        page.set_default_timeout(60_000)
        page.set_default_navigation_timeout(120_000)
        page.on("request", lambda request: self._leaves(request.url))
        page.on("websocket", self._socket)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"page error: {error.stack or error}"))

    def _leaves(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != f"127.0.0.1:{self.port}":
            self.outside.append(url)

    def _socket(self, socket: WebSocket) -> None:
        self._leaves(socket.url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text} ({message.location['url']})")

    def settled(self) -> None:
        """The application has started, and the page is as it was left, or has its launcher."""
        self.page.wait_for_function("window.jupyterapp !== undefined", timeout=120_000)
        self.page.evaluate("window.jupyterapp.restored")
        # the launcher comes later, and takes the focus from whatever has it
        self.page.wait_for_function("window.jupyterapp.shell.currentWidget")
        self.themed()

    def themed(self, name: str = "") -> None:
        """It has that theme, or any. The splash stands there while a theme is loaded, and fades after its name is set.

        A theme change while it fades makes JupyterLab remove it twice, which is a page error.
        """
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name or re.compile("."))
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)

    def expect_errors(self, *patterns: str) -> None:
        """Errors that the test provokes, such as those of a server that is gone."""
        self.expected += [re.compile(pattern) for pattern in patterns]

    def verdict(self) -> None:
        unexpected = [error for error in self.errors if not any(p.search(error) for p in self.expected)]
        assert not self.outside, "requests left this machine:\n" + "\n".join(self.outside)
        assert not unexpected, "errors in the page:\n" + "\n".join(unexpected)


class Desk(Witness):
    """What somebody does in JupyterLab."""

    def __init__(self, page: Page, lab: Lab) -> None:
        super().__init__(page, lab.port)
        self.lab = lab

    # -- getting there

    def open(self, path: str = "", workspace: str = "") -> Page:
        """JupyterLab in a workspace of its own, settled."""
        workspace = workspace or secrets.token_hex(4)
        self.page.goto(f"{self.lab.address}lab/workspaces/{workspace}{path}?token={self.lab.token}&reset")
        self.settled()
        return self.page

    def reload(self) -> None:
        self.page.reload()
        self.settled()

    def open_notebook(self, name: str) -> None:
        """Opens the notebook and waits for its kernel."""
        self.open(f"/tree/{name}")
        self.notebook_ready()

    def notebook_ready(self) -> None:
        expect(self.page.locator(".jp-NotebookPanel-notebook")).to_be_visible()
        self.page.wait_for_function("window.jupyterapp.shell.currentWidget?.sessionContext")
        # A command that runs before the kernel has answered opens a "Select Kernel" dialog
        # and its promise never settles; page.evaluate() has no time-out of its own.
        self.page.evaluate(
            """async () => {
              const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
              await context.ready;
              await sessionContext.ready;
              await sessionContext.session.kernel.info;
            }"""
        )

    # -- doing things

    def run(self, command: str, **arguments: Any) -> None:
        self.page.evaluate(
            "([c, a]) => window.jupyterapp.commands.execute(c, a).then(() => null)", [command, arguments]
        )

    def start(self, command: str, **arguments: Any) -> None:
        """As `run`, without waiting for the end of the command (dialogs)."""
        self.page.evaluate("([c, a]) => { void window.jupyterapp.commands.execute(c, a); }", [command, arguments])

    def run_all(self) -> None:
        self.run("notebook:run-all-cells")

    def close(self) -> None:
        """The notebook in front, saved: of a change since the last save JupyterLab asks first."""
        self.page.evaluate(
            """async () => {
              const { currentWidget } = window.jupyterapp.shell;
              do {
                await currentWidget.context.save();
              } while (currentWidget.context.model.dirty);
              currentWidget.close();
            }"""
        )

    def from_palette(self, words: str) -> None:
        """The command of that title, by keys alone. A palette closes when something else takes the focus; who sees it go tries again."""
        press = self.page.keyboard.press
        palette = self.page.locator(".lm-CommandPalette-input").last
        chosen = self.page.locator(".lm-CommandPalette-item.lm-mod-active")

        def found() -> bool:
            if not palette.is_visible():
                press("Control+Shift+C")
            try:
                expect(palette).to_be_focused(timeout=10_000)
                press("Control+a")
                self.page.keyboard.type(words)
                expect(chosen).to_contain_text(words, timeout=10_000)
            except AssertionError:
                return False
            return True

        wait_until(found, what=f"{words} in the palette", within_s=90)
        press("Enter")

    def dismiss_dialogs(self) -> None:
        """Closes JupyterLab's own, such as the one about a lost connection, whenever they come up."""
        # in one step: a dialog may close while one reaches for its button
        last = "[...document.querySelectorAll('.jp-Dialog button')].at(-1)?.click()"
        self.page.add_locator_handler(self.page.locator(".jp-Dialog").first, lambda _: self.page.evaluate(last))

    def theme(self, name: str) -> None:
        self.run("apputils:change-theme", theme=THEMES[name])
        self.themed(THEMES[name])

    # -- places

    def show_jobs(self) -> Locator:
        """The sidebar, brought to the front."""
        self.run("qhub-ext:show-jobs")
        expect(self.sidebar).to_be_visible()
        return self.sidebar

    def row(self, name: str) -> Locator:
        """The row of the job of that name in the sidebar."""
        return self.sidebar.get_by_role("row").filter(has_text=name)

    @property
    def sidebar(self) -> Locator:
        return self.page.get_by_role("region", name="Quantum jobs")

    @property
    def card(self) -> Locator:
        return self.page.locator(".qhub-Card")
