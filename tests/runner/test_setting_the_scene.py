"""What a cell finds: its inputs, its context, its directory. And what is refused before anything is loaded."""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import qhub_ext
from qhub_ext.errors import CaptureError
from qhub_ext.job.spec import Element
from qhub_ext.jobfolder.atomic import read_json, write_json
from qhub_ext.jobfolder.outcome import Outcome, seal
from qhub_ext.service.results import Results
from tests.runner.conftest import RUNNER, Freeze, Run, Workshop

PACKAGE = os.fsencode(Path(qhub_ext.__file__).parent)


def triple(x: int) -> int:
    return 3 * x


def test_inputs_context_environment_and_sweep_values_are_there(workshop: Workshop, freeze_inputs: Freeze) -> None:
    cell = """
from qhub_ext.job.context import current
import os
context = current()
told = (context.tier, context.device, context.shots, context.seed, context.job_id)
context.record({"kind": "sampler", "shots": 12})
context.record({"kind": "sampler", "shots": 13})
result = [item * angle for item in data]
where, variable = os.getcwd(), os.environ["QISKIT_SOMETHING"]
print(sorted(name for name in dir() if not name.startswith("_")))
"""
    folder = workshop.folder(cell, shots=12, seed=7, element=Element("array", 3, {"angle": 2}), device="brisbane")
    freeze_inputs(folder, data=[1, 2])
    write_json(folder.runtime, {**read_json(folder.runtime), "environment": {"QISKIT_SOMETHING": "set"}})
    run = workshop.run(folder)
    assert run.outcome["state"] == "completed", (run.outcome, run.console)
    values = variables_of(run)
    assert values["told"] == ("local", "brisbane", 12, 7, folder.id)
    assert values["result"] == [2, 4]
    assert values["where"] == str(workshop.root)
    assert values["variable"] == "set"
    assert run.outcome["tasks"] == 2
    assert [read_json(run.attempt.tasks / f"000{n}.json")["shots"] for n in (1, 2)] == [12, 13]
    of_ipython = {"In", "Out", "exit", "get_ipython", "open", "quit"}
    bound = {"angle", "context", "current", "data", "os", "result", "told", "variable", "where"}
    assert set(ast.literal_eval(run.text)) == of_ipython | bound


def test_only_the_names_asked_for_come_back(workshop: Workshop) -> None:
    run = workshop.run("a, b = 1, 2\n", outputs=("a", "never"))
    assert run.outcome["variables"] == ["a"]
    assert run.outcome["notes"] == ["`never` did not come back: the cell has not set it."]


def test_what_the_cell_deleted_is_said_to_be_gone_and_not_told_as_it_was(
    workshop: Workshop, freeze_inputs: Freeze
) -> None:
    for outputs, notes in ((None, []), (("old",), ["`old` did not come back: the cell deleted it."])):
        folder = workshop.folder("print(old)\ndel old\nfor step in range(3): pass\ndel step\n", outputs=outputs)
        freeze_inputs(folder, old=[1])
        run = workshop.run(folder)
        assert run.outcome["notes"] == notes
        with pytest.raises(CaptureError, match="`old` did not come back: the cell deleted it"):
            Results(folder, run.attempt)["old"]


def test_a_value_that_the_cell_only_looked_at_does_not_come_back(workshop: Workshop, freeze_inputs: Freeze) -> None:
    folder = workshop.folder("table.sum()\nmarks.append(4)\nitems.index(1)\nitems = items\n", variable_limit_mb=1)
    freeze_inputs(folder, table=np.ones(1_000_000), marks=[1], items=[1])
    run = workshop.run(folder)
    assert run.outcome["variables"] == ["items", "marks"], run.outcome
    assert run.outcome["notes"] == []


def test_inputs_that_are_gone_when_the_cell_ends_cost_no_variable(workshop: Workshop, freeze_inputs: Freeze) -> None:
    folder = workshop.folder("import pathlib\nmarks.append(4)\npathlib.Path(place).write_text('torn')\nx = 1")
    freeze_inputs(folder, marks=[1], place=str(folder.inputs / "manifest.json"))
    run = workshop.run(folder)
    assert run.outcome["variables"] == ["marks", "x"], run.outcome
    assert run.outcome["notes"][0].startswith("Whether marks changed could not be told: ")


def test_a_figure_of_the_notebook_is_a_picture_in_the_job(workshop: Workshop, freeze_inputs: Freeze) -> None:
    figure = Figure()
    axes = figure.subplots()
    folder = workshop.folder("axes.plot([1, 2])\nfigure")
    freeze_inputs(folder, figure=figure, axes=axes)
    run = workshop.run(folder)
    assert run.outcome["state"] == "completed", (run.outcome, run.console)
    assert ["image/png" in output["data"] for output in run.outputs] == [True]


def test_a_value_over_the_limit_stays_and_is_named(workshop: Workshop) -> None:
    run = workshop.run("small, large = 1, bytes(3_000_000)\n", variable_limit_mb=1)
    assert run.outcome["state"] == "completed"
    assert run.outcome["variables"] == ["small"]
    assert any("large" in note for note in run.outcome["notes"])


def test_a_directory_that_is_not_there_is_a_note(workshop: Workshop) -> None:
    run = workshop.run("1\n", directory="/nonexistent/place")
    assert run.outcome["state"] == "completed"
    assert "/nonexistent/place cannot be entered here" in run.outcome["notes"][0]


def test_modules_of_the_directory_are_imported_and_do_not_disturb_the_boot(workshop: Workshop) -> None:
    (workshop.root / "mine.py").write_text("print('imported')\nVALUE = 5\n")
    (workshop.root / "json.py").write_text("raise RuntimeError('not the json that was meant')\n")
    run = workshop.run("import mine\nprint(mine.VALUE)\n")
    assert run.text == "imported\n5\n"


def test_a_script_sees_its_name_and_arguments_and_shows_no_last_value(workshop: Workshop) -> None:
    cell = """
import sys
def main():
    print(__file__, sys.argv[1:], __name__)
if __name__ == "__main__":
    main()
    exit(0)
print("not reached")
"""
    run = workshop.run(cell, kind="script", arguments=("--n", "3"), file="/somewhere/work.py")
    assert run.outcome["state"] == "completed", run.outcome
    assert run.text == "/somewhere/work.py ['--n', '3'] __main__\n"


def test_a_script_shows_no_last_value(workshop: Workshop) -> None:
    assert workshop.run("x = 1\nx\n", kind="script").outputs == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"python": "3.10.2"}, ["Python 3.10.2", f"Python {platform.python_version()}"]),
        ({"packages": {"qiskit": "1.4.0"}}, ["qiskit", "1.4.0", "pip install qiskit==1.4.0"]),
    ],
)
def test_another_environment_is_refused_before_anything_is_loaded(
    workshop: Workshop, freeze_inputs: Freeze, change: dict[str, Any], words: list[str]
) -> None:
    folder = workshop.folder("print('never')\n")
    freeze_inputs(folder, data=[1])
    write_json(folder.runtime, {**read_json(folder.runtime), **change})
    run = workshop.run(folder)
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "environment")
    for word in words:
        assert word in run.outcome["message"] + run.outcome["advice"]
    assert run.text == ""


def test_a_folder_of_somebody_else_is_not_run(workshop: Workshop, freeze_inputs: Freeze) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving a folder away takes root")
    folder = workshop.folder("print('never')\n")
    freeze_inputs(folder, data=[1])
    os.chown(folder.path, 12345, 12345)
    done = _runner(folder.path)
    assert done.returncode == 2
    assert "belongs to another user" in done.stderr
    assert not folder.attempts.exists()


def test_a_folder_that_others_can_write_to_is_not_run(workshop: Workshop) -> None:
    folder = workshop.folder("print('never')\n")
    folder.path.chmod(0o777)
    done = _runner(folder.path)
    assert "can be written to by others" in done.stderr


def test_what_is_not_a_job_folder_is_one_sentence(tmp_path: Path) -> None:
    done = _runner(tmp_path / "nothing")
    assert done.returncode == 2
    assert "is not a job folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_attempt_with_an_outcome_is_not_run_again(workshop: Workshop) -> None:
    folder = workshop.folder("print('never')\n")
    folder.attempt(1).path.mkdir(parents=True)
    seal(folder.attempt(1), Outcome(state="cancelled", running_at=None, ended_at=1.0))
    done = _runner(folder.path)
    assert done.returncode == 2
    assert "has an outcome already" in done.stderr
    assert not folder.attempt(1).outputs.exists()


def test_an_attempt_that_runs_elsewhere_is_not_run_twice(workshop: Workshop) -> None:
    run = workshop.start("import time\nprint('begun', flush=True)\ntime.sleep(600)\n").until_it_prints("begun")
    done = _runner(run.folder.path)
    assert done.returncode == 2
    assert "is running already" in done.stderr
    run.stop("cancel").wait()
    assert run.outcome["state"] == "cancelled"


def test_slurm_s_restart_count_is_the_attempt(workshop: Workshop) -> None:
    folder = workshop.folder("1\n")
    environment = {k: v for k, v in os.environ.items() if k != "QHUB_ATTEMPT"}
    subprocess.run([*RUNNER, str(folder.path)], env={**environment, "SLURM_RESTART_COUNT": "2"}, check=True)
    assert folder.attempt_numbers() == [3]


def test_a_kernel_that_cannot_start_says_where_to_look(workshop: Workshop) -> None:
    folder = workshop.folder("1\n", environment={"PYTHONHOME": "/nonexistent"})
    run = workshop.run(folder)
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "environment")
    assert "could not start" in run.outcome["message"]
    assert "console log" in run.outcome["advice"]


def test_a_kernel_without_the_memory_to_start_is_told_from_one_without_its_packages(
    workshop: Workshop, tmp_path: Path
) -> None:
    little = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (40 << 20, 40 << 20))\n"
    (tmp_path / "sitecustomize.py").write_text(little)
    folder = workshop.folder("1\n", environment={"PYTHONPATH": str(tmp_path)})
    attempt = folder.attempt(1)
    attempt.path.mkdir(parents=True)
    with attempt.console.open("wb") as console:  # as the site's script does
        subprocess.run([*RUNNER, str(folder.path)], stdout=console, stderr=console)
    outcome = read_json(attempt.outcome)
    assert (outcome["state"], outcome["cause"]) == ("failed", "resources"), (outcome, attempt.console.read_text())
    assert "memory" in outcome["message"]
    assert "--memory" in outcome["advice"]


def test_a_profile_of_the_user_has_no_say(workshop: Workshop, tmp_path: Path) -> None:
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("raise SystemExit('from the profile')\n")
    (startup.parent / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['1/0']\n")
    run = workshop.run("print('fine')\n", environment={"IPYTHONDIR": str(tmp_path / "ipython")})
    assert run.text == "fine\n"


CELL_FOR_BOTH = """
import os, numpy as np
from IPython.display import HTML, display
handle = display(HTML("a"), display_id=True)
handle.update(HTML("b"))
print(os.path.basename(os.getcwd()), __name__, data, np.arange(3))
x = triple(data[0])
assert x == 6, x
raise ValueError("at the end")
"""


def test_a_warm_kernel_gives_what_a_cold_one_gives(workshop: Workshop, freeze_inputs: Freeze) -> None:
    def folder() -> Any:
        made = workshop.folder(CELL_FOR_BOTH)
        freeze_inputs(made, data=[2, 3], triple=triple)
        return made

    cold, warm = workshop.run(folder()), Run(folder())
    warm.attempt.path.mkdir(parents=True)
    process = subprocess.Popen(
        [*RUNNER, "--warm", "--like", str(cold.folder.path), "--imports", "numpy,no_such_module"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().split() == [b"ready", PACKAGE]
    order = json.dumps({"folder": str(warm.folder.path), "attempt": 1}).encode() + b"\n"
    _, errors = process.communicate(order, timeout=120)
    assert process.returncode == 1
    assert b"no_such_module" in errors
    for key in ("state", "cause", "message", "variables", "notes"):
        assert warm.outcome[key] == cold.outcome[key], key
    assert _without_paths(warm.outputs) == _without_paths(cold.outputs)


def test_a_warm_runner_leaves_quietly_when_nobody_wants_it(workshop: Workshop) -> None:
    like = workshop.folder("1\n")
    process = subprocess.Popen(
        [*RUNNER, "--warm", "--like", str(like.path), "--imports", ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline().split() == [b"ready", PACKAGE]
    (sockets,) = Path("/tmp").glob(f"qhub-{process.pid}-*")
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert process.communicate(timeout=120) == (b"", b"")
    assert process.returncode == 0
    assert not like.attempts.exists()
    assert not sockets.exists()


def variables_of(run: Run) -> dict[str, Any]:
    from qhub_ext.capture.freeze import thaw

    namespace: dict[str, Any] = {}
    thaw(run.attempt.variables, namespace)
    return namespace


def _runner(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUNNER, str(path)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def _without_paths(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return json.loads(json.dumps(outputs).replace(sys.prefix, ""))  # type: ignore[no-any-return]


def test_a_script_has_an_event_loop_of_its_own_and_misses_nothing_that_it_has_closed(workshop: Workshop) -> None:
    script = """
import asyncio, os, threading
lock = threading.Lock()
async def answer():
    await asyncio.sleep(0)
    return 42
with open(os.devnull) as null:
    print(asyncio.new_event_loop().run_until_complete(answer()))
late = open(os.devnull)
late.close()
print(asyncio.run(answer()))
"""
    run = workshop.run(script, kind="script")
    assert run.outcome["state"] == "completed", run.outcome
    assert run.text == "42\n42\n"
    assert run.outcome["notes"] == []
    assert run.outcome["variables"] == ["answer"]


def test_a_script_may_also_await_at_its_top_level(workshop: Workshop) -> None:
    run = workshop.run("import asyncio\nawait asyncio.sleep(0)\nprint('waited')\n", kind="script")
    assert run.text == "waited\n"
