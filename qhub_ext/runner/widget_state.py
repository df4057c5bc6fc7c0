"""State of Jupyter widgets, kept as a front end would, so that the sealed notebook can show them without a kernel."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from qhub_ext.jobfolder.outputs import OutputFold
from qhub_ext.runner.wire import Message

Send = Callable[[str, dict[str, Any]], Any]


class WidgetStates:
    """Fed with comm messages. `send` takes a message to the kernel: an Output widget lives in the front end, which tells the
    kernel what it shows.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._states: dict[str, dict[str, Any]] = {}
        self._buffers: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._captures: dict[str, list[str]] = {}
        self._capturing: dict[str, str] = {}
        self._folds: dict[str, OutputFold] = {}

    def hear(self, message: Message) -> None:
        comm, data = message.content.get("comm_id", ""), message.content.get("data") or {}
        if message.kind == "comm_close":
            self._stop_capture(comm)
            return
        if message.kind == "comm_open" and message.content.get("target_name") != "jupyter.widget":
            return
        if message.kind == "comm_msg" and comm not in self._states:
            return
        state = data.get("state")
        if not isinstance(state, dict):
            return
        self._states.setdefault(comm, {}).update(state)
        paths = data.get("buffer_paths") or []
        for path, buffer in zip(paths, message.buffers, strict=False):
            encoded = base64.b64encode(buffer).decode()
            self._buffers.setdefault(comm, {})[tuple(path)] = {"encoding": "base64", "path": path, "data": encoded}
        if "outputs" in state:  # append_stdout and its like, on the kernel's side
            fold = self._folds[comm] = OutputFold()
            for output in state["outputs"]:
                fold.add({**output, "kind": output.get("output_type")})
        if self._states[comm].get("_model_name") == "OutputModel" and "msg_id" in state:
            self._stop_capture(comm)
            if state["msg_id"]:
                self._captures.setdefault(state["msg_id"], []).append(comm)
                self._capturing[comm] = state["msg_id"]

    def capture(self, message: Message, output: dict[str, Any]) -> bool:
        """True when an Output widget took this output (`with out:`)."""
        takers = self._captures.get(message.parent_id)
        if not takers:
            return False
        comm = takers[-1]
        fold = self._folds.setdefault(comm, OutputFold())
        fold.add(output)
        self._states[comm]["outputs"] = fold.outputs()
        state = {"outputs": self._states[comm]["outputs"]}
        self._send("comm_msg", {"comm_id": comm, "data": {"method": "update", "state": state, "buffer_paths": []}})
        return True

    def to_json(self) -> dict[str, Any] | None:
        """`application/vnd.jupyter.widget-state+json`, version 2.0; None when the cell made no widget."""
        if not self._states:
            return None
        states = {}
        for comm, state in self._states.items():
            states[comm] = {
                "model_name": state.get("_model_name"),
                "model_module": state.get("_model_module"),
                "model_module_version": state.get("_model_module_version"),
                "state": state,
            }
            if self._buffers.get(comm):
                states[comm]["buffers"] = list(self._buffers[comm].values())
        return {"state": states, "version_major": 2, "version_minor": 0}

    def _stop_capture(self, comm: str) -> None:
        request = self._capturing.pop(comm, None)
        if request is not None:
            self._captures[request].remove(comm)
