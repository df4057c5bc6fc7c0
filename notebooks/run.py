"""Runs a notebook from a clean kernel, cell by cell with progress, and prints its table, or what it claims and whether that held.

    python notebooks/run.py notebooks/01-first-job.ipynb [--keep DIR] [--teach]

Jobs, queue and indexes live in a folder of their own (.demo/), so that a demonstration never mixes with real work. The exit
code is 1 if a cell failed or a line of the table is not as expected. `--teach` writes the outputs of cells tagged `teaches` back
into the notebook, and only those: text and pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import re
import shutil
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from traitlets.config import Config

from qhub_ext.jobfolder.outputs import without_colours

LAST_WORD_TAGS = {"demo-table", "claims"}
TEACHES_TAG = "teaches"
SHOWN = ("image/png", "text/plain")
ANYBODYS = ("/home", "/root", "/tmp", "/var", "/Users")  # noqa: S108 - looked for in what was printed
CELL_LIMIT_S = 1200


class Runner(NotebookClient):
    """Tells on standard error which cell runs and for how long it did."""

    def narrate(self) -> None:
        self.on_cell_execute = self._begin
        self.on_cell_executed = self._end

    def process_message(self, msg: dict, cell: nbformat.NotebookNode, cell_index: int) -> nbformat.NotebookNode | None:
        """What a cell prints is shown as it comes: some wait for minutes."""
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stdout":
            print(
                "\n" + textwrap.indent(msg["content"]["text"].rstrip("\n"), "        "),
                end="",
                file=sys.stderr,
                flush=True,
            )
        return super().process_message(msg, cell, cell_index)

    def _begin(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        self._since = time.monotonic()
        line = next((x for x in cell.source.splitlines() if x.strip()), "")
        total = sum(c.cell_type == "code" for c in self.nb.cells)
        number = sum(c.cell_type == "code" for c in self.nb.cells[: cell_index + 1])
        print(
            f"[{number:2d}/{total}] {textwrap.shorten(line, 88, placeholder=' …')}", end="", file=sys.stderr, flush=True
        )

    def _end(self, cell: nbformat.NotebookNode, cell_index: int, execute_reply: dict) -> None:
        print(f"  ({time.monotonic() - self._since:.1f} s)", file=sys.stderr, flush=True)


def last_word_of(notebook: nbformat.NotebookNode) -> str:
    """The table, or the claims: what the notebook says of itself at its end."""
    for cell in notebook.cells:
        if LAST_WORD_TAGS & set(cell.metadata.get("tags", [])):
            for output in cell.get("outputs", []):
                if output.output_type == "execute_result":
                    return output.data["text/plain"]
                if output.output_type == "stream" and output.name == "stdout":
                    return output.text
    return ""


def for_readers(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Of each output what reads well in the file on its own: text without colours, and pictures; prints in one piece."""
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
            else:
                kept.append(nbformat.v4.new_output("stream", name=output.name, text=output.text))
        elif output.output_type in ("display_data", "execute_result"):
            data = {kind: output.data[kind] for kind in SHOWN if kind in output.data}
            extra = {"execution_count": None} if output.output_type == "execute_result" else {}
            kept.append(nbformat.v4.new_output(output.output_type, data=data, **extra))
    for output in kept:
        if output.output_type == "stream":
            # a command that `!` runs has a terminal, which ends lines in two signs
            output.text = _anybodys(without_colours(output.text).replace("\r\n", "\n"))
        elif "text/plain" in output.data:
            output.data["text/plain"] = _anybodys(output.data["text/plain"])
    return kept


def own_places(root: Path) -> re.Pattern[str]:
    """Folders of whoever executed it, which teach nobody: those of the checkout, the home, the environment."""
    own = {str(p) for p in (root, Path.home(), tempfile.gettempdir(), sys.prefix)} - {"/"}
    names = "|".join(map(re.escape, sorted({*own, *ANYBODYS}, reverse=True)))
    return re.compile(rf"(?<![\w.…/-])(?:{names})/(?:[^\s:'\"]*/)?")


OWN_PLACES = own_places(Path(__file__).resolve().parents[1])


def _anybodys(text: str) -> str:
    try:
        own_name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user of no password file, as in containers
        own_name = f"uid {os.getuid()}"
    own = re.compile(rf"(?<![\w/]){re.escape(own_name)}\b")
    text = OWN_PLACES.sub("…/", text)
    in_a_column = re.compile(own.pattern + "(?= {2})")
    return own.sub("you", in_a_column.sub("you".ljust(len(own_name)), text))


def teach(path: Path, executed: nbformat.NotebookNode) -> None:
    """Puts the outputs of the cells that teach into the file, and takes all others out of it."""
    notebook = nbformat.read(path, as_version=4)
    for cell, ran in zip(notebook.cells, executed.cells, strict=True):
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = for_readers(ran.outputs) if TEACHES_TAG in cell.metadata.get("tags", []) else []
    nbformat.write(notebook, path)


def demo_config(home: Path) -> Path:
    """The settings of a place of its own below `home`, written there."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    places = {"shelf": home / "jobs", "cache": home / "cache"}
    lines = [f"{name} = {json.dumps(str(path))}" for name, path in places.items()]
    lines += ["[embedded]", f"directory = {json.dumps(str(home / 'site'))}"]
    # a demonstration need not wait as long as a device would make it wait
    lines += ["[qpu]", f"virtual_directory = {json.dumps(str(home / 'virtual-qpu'))}", "virtual_speed = 100"]
    config = home / "qhub.toml"
    config.write_text("\n".join([*lines, ""]))
    return config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument(
        "--keep", type=Path, help="where the jobs and the executed notebook go: .demo, or a new place with --teach"
    )
    parser.add_argument("--teach", action="store_true", help="write the outputs of the cells that teach into the file")
    asked = parser.parse_args()
    # what a tutorial shows is what it prints first, where nothing runs yet
    home = asked.keep or (Path(tempfile.mkdtemp(prefix="qhub-teach-")) if asked.teach else Path(".demo"))
    home = home.resolve()
    config = demo_config(home)
    os.environ["QHUB_CONFIG"] = str(config)
    notebook = nbformat.read(asked.notebook, as_version=4)
    sockets = tempfile.mkdtemp(prefix="nb", dir="/tmp")
    client = Runner(
        notebook,
        timeout=CELL_LIMIT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(asked.notebook.parent)}},
        # sockets instead of ports: nobody else on the machine can read along; their path may have 108 bytes at most
        config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/k"}}),
    )
    client.narrate()
    began = time.monotonic()
    try:
        client.execute()
    except (CellExecutionError, DeadKernelError) as error:
        print(f"\n\nThe notebook stopped: {error}", file=sys.stderr)
        return 1
    finally:
        executed = home / asked.notebook.name
        nbformat.write(notebook, executed)
        shutil.rmtree(sockets, ignore_errors=True)
    table = last_word_of(notebook)
    print(f"\n{table}\n")
    wrong = table.count("✗")
    print(f"{time.monotonic() - began:.0f} s. The executed notebook: {executed}")
    if home == Path(".demo").resolve():
        print(
            "Next: `make lab` opens JupyterLab on the tutorials, with these jobs in its sidebar; `%load_ext qhub_ext` begins a notebook of your own."
        )
    print(f"In a terminal its jobs are listed by  QHUB_CONFIG={config} {Path(sys.executable).parent / 'qhub'} jobs")
    if wrong:
        print(f"{wrong} lines are not as expected.", file=sys.stderr)
    elif asked.teach:
        teach(asked.notebook, notebook)
    return 1 if wrong or not table else 0


if __name__ == "__main__":
    sys.exit(main())
