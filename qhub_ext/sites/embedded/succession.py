"""When a daemon's own code is no longer the one that is installed: it begins nothing more, and hands the queue to a daemon of the new code.

Running jobs go on: their launchers are processes of their own, and the next daemon takes them up as it does after a kill.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from qhub_ext.sites.embedded.installed_code import code_on_disk
from qhub_ext.sites.embedded.log import say

TRY = "--try"
"""A daemon that is started with this one leaves as soon as it has been imported."""
SETTLED_S = 0.5
"""An installation that has written nothing for so long is complete."""
TRY_AGAIN_S = 2.0
GIVE_UP_S = 30.0
"""Code that cannot be started for so long was taken away, or is broken: whoever looks at the queue next starts a daemon of their own code."""
_TRY_WITHIN_S = 20.0


class Succession:
    """`began_with` is the code on the disk when this process was started."""

    def __init__(self, began_with: tuple[tuple[str, int, int], ...], command: Sequence[str]) -> None:
        self._seen = self._own = began_with
        self._command = [*command]
        self._changed_at = 0.0
        """When the files were last seen to change (monotonic, s); as long as that is 0 they have not."""
        self._first_at = 0.0
        self._try_at = 0.0

    @property
    def due(self) -> bool:
        """Another code lies on the disk: nothing may be begun any more."""
        found = code_on_disk()
        if found != self._seen:
            self._seen, self._changed_at = found, time.monotonic()
            self._try_at = self._changed_at + SETTLED_S
            self._first_at = self._first_at or self._changed_at
        if self._seen == self._own:  # put back as it was
            self._changed_at = self._first_at = 0.0
        return bool(self._changed_at)

    def ready(self) -> bool:
        """The installation is complete, and a daemon of the new code can be started; or that has been tried for long enough."""
        now = time.monotonic()
        if now < self._try_at:
            return False
        why = self._try()
        if not why:
            return True
        if now - self._first_at >= GIVE_UP_S:
            say(f"the package was changed and cannot be started; this process leaves all the same: {why}")
            return True
        self._try_at = time.monotonic() + TRY_AGAIN_S
        say(f"the package was changed and cannot be started (yet): {why}")
        return False

    def moments(self) -> list[float]:
        """When to look again (monotonic, s)."""
        return [self._try_at] if self._changed_at else []

    def begin(self) -> None:
        """Starts the next daemon, which waits for the lock of this one for a moment."""
        try:
            os.posix_spawn(self._command[0], self._command, os.environ, setsid=True)
        except OSError as error:
            say(f"the next daemon cannot be started: {error}; whoever looks at the queue next starts one")

    def _try(self) -> str:
        """Why it cannot be started, or empty."""
        import subprocess  # a daemon that nobody upgrades does without it

        try:
            done = subprocess.run(
                [*self._command, TRY],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TRY_WITHIN_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return "" if done.returncode == 0 else lines[-1]
