"""`%qpu calibration` and `qhub calibration`."""

from __future__ import annotations

import json

from qhub_ext.display.pages import PLOTLY
from tests.front.conftest import Notebook, Place


def test_a_notebook_shows_the_map_as_a_figure_with_text_and_html_beside_it(notebook: Notebook) -> None:
    shown = notebook.run("%qpu calibration manila --metric t2").shown[0]
    assert set(shown) == {"text/plain", "text/html", PLOTLY}
    assert "manila · 5 qubits" in shown["text/plain"]
    assert shown[PLOTLY]["layout"]["updatemenus"][0]["active"] == 3


def test_a_circuit_of_the_notebook_is_laid_over_the_chosen_device(notebook: Notebook) -> None:
    notebook.run("%qpu use local --device manila")
    notebook.run("from qiskit import QuantumCircuit, transpile\nfrom qhub_ext import backend")
    notebook.run(
        "pair = QuantumCircuit(2)\npair.h(0); pair.cx(0, 1)\nlaid = transpile(pair, backend(), seed_transpiler=1)"
    )
    told = notebook.run("%qpu calibration --circuit laid").plain
    assert "Circuit `laid` uses 2 qubits" in told
    assert "not laid out on the 5 of manila" in notebook.run("%qpu calibration --circuit pair", ok=False).text
    assert (
        "There is no variable 'lai'. Did you mean 'laid'"
        in notebook.run("%qpu calibration --circuit lai", ok=False).text
    )
    notebook.run("%qpu use local --device kingston")


def test_a_terminal_prints_it_and_tells_facts_as_json(place: Place) -> None:
    told = place.command("calibration", "kingston", "--versus", "fez")
    assert "kingston · 156 qubits, 176 edges" in told
    assert "most worsened" in told
    facts = json.loads(place.command("calibration", "kingston", "--json"))
    assert (facts["device"], len(facts["qubits"]), facts["metric"]) == ("kingston", 156, "readout_error")
    assert facts["median"]["two_qubit_error"] < 0.01
    assert "There is no metric" in place.command("calibration", "kingston", "--metric", "x", code=2)


def test_a_terminal_never_pays_for_plotly_or_ipywidgets(place: Place) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom qhub_ext.cli import main\n"
        "try: main(['calibration', 'manila'])\nexcept SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'plotly', 'ipywidgets', 'qiskit', 'numpy'}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env=place.environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "[]"
