"""Keeps the notebook's choice the same in the kernel and in the front end that shows the notebook, over a comm.

    kernel to front end    {"chosen": {"tier": ..., "device": ..., ...}}   when it opens, after each change, as the answer
                           {"refused": "sentence"}                         to what cannot be chosen; nothing has changed
    front end to kernel    {"choose": {"tier": ..., "device": ...}}        an empty one asks what is chosen

A front end without our extension closes the comm, and nothing else happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comm import create_comm

from qhub_ext.errors import InvalidOptionError, QhubError

if TYPE_CHECKING:
    from comm.base_comm import BaseComm

    from qhub_ext.service.choice import Choice

TARGET = "qhub_ext.choice"


class ChoiceComm:
    """All comms of one kernel: the one it opened, and those that front ends opened after it was closed."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._open: list[BaseComm] = []
        choice.listeners.append(self._tell)

    def open(self) -> None:
        self._join(create_comm(target_name=TARGET, data=self._state()))

    def accept(self, comm: BaseComm, message: dict[str, Any]) -> None:
        """A front end that found no living comm opens its own."""
        self._join(comm)
        data = message["content"].get("data")
        self._answer(comm, data if isinstance(data, dict) and "choose" in data else {"choose": {}})

    def _join(self, comm: BaseComm) -> None:
        self._open.append(comm)
        comm.on_msg(lambda message: self._answer(comm, message["content"].get("data")))
        comm.on_close(lambda _message: self._open.remove(comm))

    def _answer(self, comm: BaseComm, data: Any) -> None:
        try:
            if not isinstance(data, dict) or "choose" not in data:
                raise InvalidOptionError("The kernel understands {'choose': {...}} here.")
            if data["choose"] == {}:
                comm.send(self._state())
            else:
                self._choice.take_json(data["choose"])
        except QhubError as error:
            comm.send({"refused": str(error)})

    def _state(self) -> dict[str, Any]:
        try:
            return {"chosen": self._choice.chosen}
        except QhubError as error:  # settings that cannot be read; every %qpu says so, too
            return {"refused": str(error)}

    def _tell(self, chosen: dict[str, Any]) -> None:
        for comm in self._open:
            comm.send({"chosen": chosen})


def connect(kernel: Any) -> None:
    """Opens the comm when the cell that loads the extension has ended: its import costs that cell nothing."""
    kernel.io_loop.add_callback(_connect, kernel)


def _connect(kernel: Any) -> None:
    from qhub_ext.service.choice import current_choice

    comm = ChoiceComm(current_choice())
    kernel.comm_manager.register_target(TARGET, comm.accept)
    comm.open()
