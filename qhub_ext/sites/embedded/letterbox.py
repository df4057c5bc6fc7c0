"""Letters from clients: each is read, obeyed, and taken away only then, so that a daemon that dies obeys it again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.spool import Spool, letters, stale_drafts

Act = Callable[[dict[str, Any]], None]


class Letterbox:
    def __init__(self, spool: Spool, accept: Act, obey: Act) -> None:
        self._spool = spool
        self._accept = accept
        self._obey = obey

    def empty(self) -> bool:
        return not letters(self._spool.incoming) and not letters(self._spool.requests)

    def take(self) -> None:
        # requests are listed first: one that is listed now speaks of submissions that are listed next
        requests = letters(self._spool.requests)
        for path in letters(self._spool.incoming):
            _take(path, self._accept)
        for path in requests:
            _take(path, self._obey)

    def clear_drafts(self) -> None:
        """What clients left half written."""
        for folder in (self._spool.incoming, self._spool.requests):
            for draft in stale_drafts(folder, time.time()):
                draft.unlink(missing_ok=True)


def _take(path: Path, act: Act) -> None:
    try:
        letter = read_json(path)
    except FileNotFoundError:
        return
    except (JobFolderError, OSError) as error:
        say(f"{path.name} is put aside: {error}")
        os.replace(path, path.with_suffix(".unreadable"))
        return
    try:
        act(letter)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        say(f"{path.name} is put aside: {error!r}")
        os.replace(path, path.with_suffix(".unreadable"))
        return
    except OSError as error:  # a full disk: the letter stays, and is read again on the next turn
        say(f"{path.name} has to wait: {error}")
        return
    path.unlink(missing_ok=True)
