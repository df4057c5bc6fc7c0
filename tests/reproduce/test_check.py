"""Scripts and notebooks say what they expect; runs are held against a baseline within statistical bounds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.checks import Baseline, Expectation, check, check_file, expectations_of
from qhub_ext.errors import QhubError
from tests.front.conftest import Place

pytest_plugins = ["pytester"]


def test_expectations_are_lines_of_a_script_and_tags_of_a_notebook() -> None:
    text = "x = 1\n# expect: counts\n  # expect: energy ± 0.01\n# expect: time\n# expected: nothing\n"
    assert expectations_of(text, "a.py") == [Expectation("counts"), Expectation("energy", 0.01), Expectation("time")]
    cell = {
        "cell_type": "code",
        "source": "x = 1\n# expect: x",
        "metadata": {"tags": ["expect:energy +- 1e-3", "other"]},
    }
    notebook = json.dumps({"cells": [cell], "nbformat": 4})
    assert expectations_of(notebook, "a.ipynb") == [Expectation("x"), Expectation("energy", 0.001)]


@pytest.mark.parametrize(
    ("text", "file", "says"),
    [
        ("x = 1", "a.py", "says nothing that is expected"),
        ("# expect: two words", "a.py", "cannot be read"),
        ("# expect: x ± -1", "a.py", "cannot be read"),
        ("# expect: x ± 1e999", "a.py", "cannot be read"),
        ("{", "a.ipynb", "is not a notebook"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, file: str, says: str) -> None:
    with pytest.raises(QhubError, match=says):
        expectations_of(text, file)


@given(st.text())
def test_any_file_has_expectations_or_a_sentence(text: str) -> None:
    for file in ("a.py", "a.ipynb"):
        try:
            expectations_of(text, file)
        except QhubError as error:
            told = str(error)
            assert file in told


def test_numbers_are_held_to_what_the_baseline_scatters() -> None:
    draw = random.Random(7)
    known = [draw.gauss(-1.1, 0.01) for _ in range(10)]
    wish = Expectation("energy")
    passed = [check(draw.gauss(-1.1, 0.01), known, wish)[0] for _ in range(300)]
    assert passed.count(False) <= 4
    assert check(-1.0, known, wish)[0] is False
    assert check(-1.0, known, Expectation("energy", 0.2))[0] is True
    assert check(-1.0, known[:2], wish)[0] is None
    assert check(-1.0, None, wish)[0] is None
    assert check(4.0, [1.0, 1.1, 0.9], Expectation("time"))[0] is True  # three runs that scatter tell little
    assert check(50.0, [1.0, 1.1, 0.9], Expectation("time"))[0] is False
    assert check(0.1, [1.0, 1.1, 0.9], Expectation("time"))[0] is True  # faster is no fault


def test_counts_are_held_to_the_noise_of_their_shots() -> None:
    known = {"00": 5000, "11": 5000}
    assert check({"00": 480, "11": 520}, known, Expectation("counts"))[0] is True
    assert check({"00": 380, "11": 620}, known, Expectation("counts"))[0] is False
    assert check({"000": 1}, known, Expectation("counts")) == (False, "The outcomes have different widths.")
    assert check(1.0, known, Expectation("counts"))[0] is False
    assert check({"0": 1}, [1.0], Expectation("counts"))[0] is False


def test_a_baseline_of_another_kind_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.py.baseline.json"
    path.write_text('{"schema": "qhub.baseline/9"}')
    with pytest.raises(QhubError, match=r"qhub.baseline/9"):
        Baseline.read(path)


SCRIPT = """
import os
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(1)
circuit.h(0); circuit.measure_all()
counts = Sampler().run([transpile(circuit, backend())], shots=500).result()[0].data.meas.get_counts()
energy = -1.1
# expect: counts
# expect: energy
"""


def test_a_script_is_checked_from_the_command_line_and_by_pytest(
    place: Place, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.path / "study.py"
    file.write_text(SCRIPT)
    assert [one.passed for one in check_file(place.service, file, ["local"])] == [None, None]
    check_file(place.service, file, ["local"], update=True, runs=2)
    facts = json.loads(place.command("check", str(file), "--json"))
    assert [(one["name"], one["passed"]) for one in facts] == [("counts", True), ("energy", True)]
    file.write_text(SCRIPT.replace("circuit.h(0)", "circuit.x(0)"))
    assert "✗ deviates" in place.command("check", str(file), code=1)
    for name, value in place.environment.items():
        if name.startswith("QHUB_"):
            monkeypatch.setenv(name, value)
    pytester.makepyfile(
        test_tier="def test_it(qhub_tier):\n    from qhub_ext.job.context import current\n    assert current().tier == qhub_tier == 'local'\n"
    )
    for beside in (file, file.with_name("study.py.baseline.json")):
        (pytester.path / beside.name).write_text(beside.read_text())
    wrong = pytester.runpytest_subprocess("--qhub-tier=local", "-p", "no:cacheprovider")
    wrong.assert_outcomes(passed=1, failed=1)
    wrong.stdout.fnmatch_lines(["*counts: total variation*"])
    without = pytester.runpytest_subprocess("study.py")
    without.assert_outcomes()
    refused = pytester.runpytest_subprocess("--qhub-tier=quantum")
    refused.stderr.fnmatch_lines(["*there is no such tier*"])
