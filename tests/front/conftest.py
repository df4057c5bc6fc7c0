"""A place of its own for jobs and queue, a real notebook kernel, and the command, all sharing it."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from qhub_ext.jobfolder.outputs import without_colours
from qhub_ext.service import JobService
from qhub_ext.settings import Settings, load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.sites.workshop import Workshop, end_virtual_qpu, sweep_up


@dataclass(frozen=True)
class Place:
    """`environment` points every process started with it at this place's shelf and queue."""

    path: Path
    environment: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        return load_settings({k: v for k, v in self.environment.items() if k.startswith("QHUB_")}, [])

    @property
    def service(self) -> JobService:
        return JobService(self.settings)

    def until_told(self, word: str) -> str:
        """Lines of a cell or script, after which it goes on when `tell(word)` was called."""
        return f"import os, time\nwhile not os.path.exists({str(self.path / word)!r}): time.sleep(0.05)\n"

    def tell(self, word: str) -> None:
        (self.path / word).touch()

    def command(self, *words: str, code: int | None = 0, stdin: str = "") -> str:
        """The output of `qhub WORDS`; `code` is the exit code that is expected, None for any."""
        done = subprocess.run(
            [sys.executable, "-m", "qhub_ext.cli", *words],
            env=self.environment, cwd=self.path, capture_output=True, text=True, input=stdin, timeout=120, check=False,
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with set_up_place(tmp_path_factory.mktemp("place with space")) as place:
        yield place


@contextlib.contextmanager
def set_up_place(path: Path, **more: str) -> Iterator[Place]:
    """A shelf and a queue of its own; `more` is in the environment of all that runs there."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("QHUB_")},
        "QHUB_SHELF": str(path / "jobs"),
        "QHUB_CACHE": str(path / "cache"),
        "QHUB_EMBEDDED_DIRECTORY": str(path / "site"),
        "QHUB_EMBEDDED_CPUS": "2",
        "QHUB_EMBEDDED_WARM_KERNELS": "0",  # few of the jobs here import what such a kernel has imported for each of them
        "QHUB_QPU_VIRTUAL_DIRECTORY": str(path / "virtual-qpu"),
        "PYTHONWARNINGS": "default",
        **more,
    }
    place = Place(path, MappingProxyType(environment))  # shared by many tests: none may change it
    try:
        yield place
    finally:
        end_virtual_qpu(path / "virtual-qpu")  # one that `more` names is another fixture's
        service = place.service
        jobs = [service.job(i) for i in service.shelf.ids()]
        folders = [one.folder for job in jobs for one in (job, *job.elements)]
        sweep_up(Workshop(place.settings, EmbeddedSite(place.settings), folders))


@dataclass
class Told:
    """What one cell showed: text of the streams, MIME bundles of displays with their metadata, and how it ended."""

    text: str
    shown: list[dict[str, Any]]
    status: str
    metadata: list[dict[str, Any]]

    @property
    def plain(self) -> str:
        return self.text + "\n".join(str(d.get("text/plain", "")) for d in self.shown)


class Notebook:
    """A real kernel, spoken to as a front end does."""

    def __init__(self, place: Place, **environment: str) -> None:
        self._sockets = tempfile.TemporaryDirectory(prefix="nb", dir="/tmp")  # a socket's path has 108 bytes at most
        self._manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{self._sockets.name}/k")
        self._manager.start_kernel(env=place.environment | environment, cwd=str(place.path))
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=120)

    def run(self, cell: str, *, ok: bool | None = True, timeout_s: float = 120) -> Told:
        text: list[str] = []
        shown: list[dict[str, Any]] = []
        metadata: list[dict[str, Any]] = []

        def hear(message: dict[str, Any]) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                text.append(content["text"])
            elif kind == "error":
                text.append("\n".join(content["traceback"]))
            elif kind in ("display_data", "execute_result"):
                shown.append(content["data"])
                metadata.append(content["metadata"])

        reply = self._client.execute_interactive(
            cell, timeout=timeout_s, output_hook=hear, allow_stdin=False, store_history=True
        )
        status = reply["content"]["status"]
        told = Told(without_colours("".join(text)), shown, status, metadata)
        if ok is not None:
            assert (status == "ok") is ok, told
        return told

    def ask(self, expression: str) -> str:
        """The repr of an expression in the kernel."""
        return self.run(f"print(repr(({expression})))").text.strip()

    def send_comm(self, kind: str, **content: Any) -> None:
        """A comm message (`comm_open`, `comm_msg`, `comm_close`), as a front end sends it."""
        self._client.shell_channel.send(self._client.session.msg(kind, content))

    def hear_comm(self, kind: str, timeout_s: float = 120) -> dict[str, Any]:
        """The content of the next comm message of this kind."""
        while True:
            message = self._client.get_iopub_msg(timeout=timeout_s)
            if message["msg_type"] == kind:
                return dict(message["content"])

    def next_message(self, timeout_s: float = 1) -> dict[str, Any] | None:
        """The next of what the kernel tells everybody; None when it is silent for so long."""
        try:
            return dict(self._client.get_iopub_msg(timeout=timeout_s))
        except queue.Empty:
            return None

    def comms(self, target: str) -> list[str]:
        """Ids of the living comms, as a page that was loaded anew asks for them."""
        self._client.comm_info(target_name=target)
        while True:
            reply = self._client.get_shell_msg(timeout=120)
            if reply["msg_type"] == "comm_info_reply":
                return list(reply["content"]["comms"])

    def send(self, cell: str) -> str:
        return self._client.execute(cell)

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def reply(self, message_id: str, timeout_s: float = 120) -> dict[str, Any]:
        while True:
            reply = self._client.get_shell_msg(timeout=timeout_s)
            if reply["parent_header"].get("msg_id") == message_id:
                return reply["content"]

    @property
    def pid(self) -> int:
        provider = self._manager.provisioner
        assert provider is not None
        return int(provider.pid)  # type: ignore[attr-defined]

    def kill(self) -> None:
        os.kill(self.pid, 9)

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._sockets.cleanup()


@pytest.fixture(scope="session")
def notebook(place: Place) -> Iterator[Notebook]:
    notebook = Notebook(place)
    notebook.run("%load_ext qhub_ext")
    yield notebook
    notebook.close()


@pytest.fixture
def new_notebook(place: Place) -> Iterator[Callable[[], Notebook]]:
    made: list[Notebook] = []

    def make(*, load: bool = True) -> Notebook:
        made.append(Notebook(place))
        if load:
            made[-1].run("%load_ext qhub_ext")
        return made[-1]

    yield make
    for one in made:
        one.close()
