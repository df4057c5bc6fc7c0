"""Lets the virtual QPU of this machine go wrong, or be calibrated: for the tutorials, and to see what your own code makes of it.

    switch_on("failed_job", times=1)   # its next task fails in the machine
    switch_on("paused")                # it takes tasks and runs none
    switch_off()                       # all is well again
    calibrate("kingston")              # its numbers drift now, as after a night

`qhub_ext.virtualqpu.faults` has the kinds. Real devices know nothing of this module.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from qhub_ext.errors import Cause, DeviceError, InvalidOptionError
from qhub_ext.settings import current_settings
from qhub_ext.tiers.qpu import virtual

ANSWER_S = 30.0


def switch_on(kind: str, *, where: str = "", times: int | None = None, delay_s: float = 2.0) -> list[dict[str, Any]]:
    """The faults that are on now. `times`: how often it strikes, None for until `switch_off`. Raises InvalidOptionError, DeviceError."""
    told = {"kind": kind, "where": where, "times": times, "delay_s": delay_s}
    found: list[dict[str, Any]] = _ask("POST", "/admin/faults", told)["faults"]
    return found


def switch_off() -> None:
    """Ends all faults. Raises DeviceError."""
    _ask("DELETE", "/admin/faults")


def calibrate(device: str, *, window_s: float = 0.0) -> dict[str, Any]:
    """Gives the device new numbers, drifted from those before, after a window of its own time in which it stands still.

    Raises InvalidOptionError, DeviceError.
    """
    return _ask("POST", f"/admin/calibration/{device}?window_s={window_s}")


def _ask(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    server = virtual.running_server(current_settings().qpu)
    request = urllib.request.Request(  # noqa: S310 - the address that our own server wrote
        server["url"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"x-api-key": server["key"], "content-type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_S) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except urllib.error.HTTPError as error:
        raise InvalidOptionError(f"The virtual QPU refused: {_words(error)}") from None
    except OSError as error:
        raise DeviceError(f"The virtual QPU did not answer: {error}.", cause=Cause.INTEGRATION) from error


def _words(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["errors"][0]["message"])
    except (ValueError, KeyError, IndexError):
        return f"HTTP {error.code}"
