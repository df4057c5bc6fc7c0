"""The picker's line to the kernel, spoken to a real kernel as a front end does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.front.conftest import Notebook, Place

TARGET = "qhub_ext.choice"


class Picker:
    """A front end that holds the other end of the comm."""

    def __init__(self, notebook: Notebook, comm: str) -> None:
        self.notebook, self.comm = notebook, comm

    def choose(self, **wanted: Any) -> dict[str, Any]:
        return self.say({"choose": wanted})

    def say(self, data: Any) -> dict[str, Any]:
        self.notebook.send_comm("comm_msg", comm_id=self.comm, data=data)
        return self.hear()

    def hear(self) -> dict[str, Any]:
        while True:
            message = self.notebook.hear_comm("comm_msg")
            if message["comm_id"] == self.comm:
                return dict(message["data"])


@pytest.fixture(scope="module")
def loaded(place: Place) -> Iterator[tuple[Notebook, dict[str, Any]]]:
    """A notebook that has just loaded the extension, and the comm that came of it."""
    notebook = Notebook(place)
    notebook.send("%load_ext qhub_ext")
    opened = notebook.hear_comm("comm_open")
    yield notebook, opened
    notebook.close()


@pytest.fixture
def picker(loaded: tuple[Notebook, dict[str, Any]]) -> Picker:
    notebook, opened = loaded
    picker = Picker(notebook, opened["comm_id"])
    picker.choose(tier=None, device=None, shots=None)
    return picker


def test_loading_the_extension_tells_the_front_end_what_is_chosen(loaded: tuple[Notebook, dict[str, Any]]) -> None:
    _, opened = loaded
    assert opened["target_name"] == TARGET
    assert opened["data"] == {"chosen": {"tier": "local", "device": "kingston"}}


def test_what_the_picker_chooses_holds_for_the_cells_of_the_notebook(picker: Picker) -> None:
    assert picker.choose(tier="local", device="fez") == {"chosen": {"tier": "local", "device": "fez"}}
    assert "Cells go to tier local, device fez" in picker.notebook.run("%qpu").plain
    assert picker.choose(shots=200)["chosen"] == {"tier": "local", "device": "fez", "shots": 200}
    picker.notebook.run("%%qpu --as picked\n1")
    assert picker.notebook.ask("(picked.record.spec.tier, picked.record.spec.shots)") == "('local', 200)"


def test_a_device_may_be_called_by_any_of_its_names(picker: Picker) -> None:
    assert picker.choose(device="ibm_fez")["chosen"]["device"] == "fez"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"choose": {"tier": "moon"}}, "There is no tier 'moon'. Known: local, emulation, qpu."),
        ({"choose": {"tier": "local", "device": "kingstn"}}, "There is no device 'kingstn'. Did you mean 'kingston'"),
        ({"choose": {"tier": "local,emulation"}}, "A notebook has one tier at a time."),
        ({"choose": {"shots": 0}}, "--shots '0' is not accepted. It accepts a whole number from 1 on."),
        ({"choose": {"shots": True}}, "--shots 'True' is not accepted."),
        ({"choose": {"tiers": "local"}}, "There is no choice 'tiers'. Did you mean 'tier'"),
        ({"choose": {"device": ["fez"]}}, "There is no device"),
        ({"choose": ["local"]}, "A choice is an object of names and values"),
        ({"pick": "local"}, "The kernel understands {'choose': {...}} here."),
        ({}, "The kernel understands {'choose': {...}} here."),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence_and_changes_nothing(picker: Picker, data: Any, said: str) -> None:
    before = picker.choose(tier="local", device="fez")
    assert said in picker.say(data)["refused"]
    assert picker.choose() == before


def test_use_in_a_cell_reaches_the_picker(picker: Picker) -> None:
    picker.notebook.send("%qpu use emulation --device marrakesh --time 10m")
    assert picker.hear() == {"chosen": {"tier": "emulation", "device": "marrakesh", "time_s": 600}}
    picker.notebook.run("%qpu use emulation --device nowhere", ok=False)
    assert picker.choose()["chosen"]["device"] == "marrakesh"
    assert picker.choose(time_s=90)["chosen"]["time_s"] == 90
    assert "time_s" not in picker.choose(time_s=None)["chosen"]
    before = picker.choose()
    assert "marrakesh" in picker.notebook.run("%qpu use  # what was that again?").plain
    assert picker.choose() == before


def test_a_page_that_is_loaded_anew_finds_the_living_comm(picker: Picker) -> None:
    picker.choose(tier="local")
    assert picker.comm in picker.notebook.comms(TARGET)
    again = Picker(picker.notebook, picker.comm)
    assert again.choose() == {"chosen": {"tier": "local", "device": "kingston"}}


def test_a_front_end_without_a_picker_closes_the_comm_and_another_may_open_its_own(
    new_notebook: Callable[..., Notebook],
) -> None:
    notebook = new_notebook(load=False)
    notebook.send("%load_ext qhub_ext")
    notebook.send_comm("comm_close", comm_id=notebook.hear_comm("comm_open")["comm_id"], data={})
    assert "tier local" in notebook.run("%qpu use local").plain
    assert notebook.comms(TARGET) == []
    notebook.send_comm("comm_open", comm_id="mine", target_name=TARGET, data={})
    late = Picker(notebook, "mine")
    assert late.hear() == {"chosen": {"tier": "local", "device": "kingston"}}
    notebook.send("%qpu use emulation")
    assert late.hear()["chosen"]["tier"] == "emulation"


@pytest.mark.parametrize(
    ("content", "chosen"),
    [
        ('{"metadata": {"qhub": {"tier": "emulation", "device": "fez", "job": "of a copy"}}}', ("emulation", "fez")),
        ('{"metadata": {"qhub": {"tier": "moon"}}}', ("local", "kingston")),
        ('{"metadata": {"qhub": 3}}', ("local", "kingston")),
        ("torn", ("local", "kingston")),
    ],
)
def test_a_restarted_kernel_begins_with_what_the_notebook_s_file_says(
    place: Place, content: str, chosen: tuple[str, str]
) -> None:
    """`run all cells` puts them into the kernel's queue before any word of the picker."""
    path = place.path / "kept.ipynb"
    path.write_text(content)
    notebook = Notebook(place, JPY_SESSION_NAME=str(path))
    try:
        notebook.send("%load_ext qhub_ext")
        assert "Cells go to tier {}, device {}".format(*chosen) in notebook.run("%qpu").plain
    finally:
        notebook.close()


def test_plain_ipython_has_no_comm_and_loads_none(place: Place) -> None:
    import subprocess
    import sys

    code = (
        "from IPython.core.interactiveshell import InteractiveShell as S\n"
        "import sys\nS.instance().run_line_magic('load_ext', 'qhub_ext')\n"
        "S.instance().run_line_magic('qpu', 'use local')\n"
        "print('comm' in sys.modules, 'qhub_ext.choice_comm' in sys.modules, 'ipywidgets' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env=place.environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "False False False"
