"""Scripts and notebooks say what they expect; runs are held against a baseline within statistical bounds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from qhub_ext.checks import Expectation, check, check_file, expectations_of
from qhub_ext.errors import QhubError
from qhub_ext.reproduce.baseline import Baseline, Known, Number
from qhub_ext.schemas import load_schema
from tests.front.conftest import Place

# one pytest finds the plugin by its entry point; the others need not import everybody's
ALONE, PLUGIN = ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1"), "qhub_ext.pytest_plugin"
V1 = Path(__file__).parents[1] / "data" / "baselines" / "v1.json"

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


def numbers(*runs: float, errors: float | None = None) -> Known:
    return Known(numbers=runs, errors=[errors] * len(runs))


def test_numbers_are_held_to_what_the_baseline_scatters() -> None:
    draw = random.Random(7)
    known = numbers(*(draw.gauss(-1.1, 0.01) for _ in range(10)))
    wish = Expectation("energy")
    passed = [check(Number(draw.gauss(-1.1, 0.01)), known, wish)[0] for _ in range(300)]
    assert passed.count(False) <= 4
    assert check(Number(-1.0), known, wish)[0] is False
    assert check(Number(-1.0), known, Expectation("energy", 0.2))[0] is True
    assert check(Number(-1.0), numbers(-1.1, -1.11), wish)[0] is None
    assert check(Number(-1.0), None, wish)[0] is None


def test_a_time_may_be_shorter_and_no_longer_than_the_scatter_allows() -> None:
    wish, known = Expectation("time"), numbers(1.0, 1.1, 0.9)
    assert check(Number(4.0), known, wish)[0] is True  # three runs that scatter tell little
    assert check(Number(50.0), known, wish)[0] is False
    assert check(Number(0.1), known, wish)[0] is True  # faster is no fault
    assert check(Number(1.9), numbers(1.0), wish)[0] is True
    assert check(Number(2.1), numbers(1.0), wish)[0] is False


def test_one_run_of_an_estimator_is_baseline_enough_since_it_gave_a_standard_error() -> None:
    draw, wish = random.Random(5), Expectation("energy")
    known = numbers(draw.gauss(-1.1, 0.01), draw.gauss(-1.1, 0.01), errors=0.01)
    passed = [check(Number(draw.gauss(-1.1, 0.01), 0.01), known, wish)[0] for _ in range(500)]
    assert passed.count(True) >= 490
    assert check(Number(-1.0, 0.01), known, wish)[0] is False
    told = check(Number(-1.105, 0.01), numbers(-1.1, errors=0.01), wish)
    assert told == (True, "-1.105; baseline -1.1 ± 0.047 by the standard errors (1 run)")
    assert check(Number(-1.0), numbers(-1.1, errors=0.01), wish)[0] is None  # nothing is known of this run's
    assert check(Number(0.5, 0.0), numbers(0.5, errors=0.0), wish)[0] is True
    assert check(Number(0.4, 0.0), numbers(0.5, errors=0.0), wish)[0] is False  # exact values must be equal


def test_where_the_runs_scatter_beyond_their_standard_errors_that_scatter_counts() -> None:
    drifting = numbers(-1.1, -1.3, -0.9, -1.2, errors=0.01)
    passed, said = check(Number(-0.8, 0.01), drifting, Expectation("energy"))
    assert passed is True
    assert "by what its runs scatter (4 runs)" in said


def test_counts_are_held_to_the_noise_of_their_shots() -> None:
    known = Known(counts={"00": 5000, "11": 5000})
    assert check({"00": 480, "11": 520}, known, Expectation("counts"))[0] is True
    assert check({"00": 380, "11": 620}, known, Expectation("counts"))[0] is False
    assert check({"000": 1}, known, Expectation("counts")) == (False, "The outcomes have different widths.")
    assert check(Number(1.0), known, Expectation("counts"))[0] is False
    assert check({"0": 1}, numbers(1.0), Expectation("counts"))[0] is False


def test_a_baseline_of_another_kind_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.py.baseline.json"
    path.write_text('{"schema": "qhub.baseline/9"}')
    with pytest.raises(QhubError, match=r"qhub.baseline/9"):
        Baseline.read(path)


def test_a_baseline_of_an_earlier_version_is_read_added_to_and_fits_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "a.py.baseline.json"
    path.write_bytes(V1.read_bytes())
    baseline = Baseline.read(path)
    assert check(Number(-1.1), baseline.of("emulation", "energy"), Expectation("energy"))[0] is True
    assert check({"00": 50, "11": 50}, baseline.of("emulation", "counts"), Expectation("counts"))[0] is True
    baseline.add("emulation", "energy", Number(-1.11, 0.01))
    baseline.add("local", "counts", {"0": 3, "1": 4})
    baseline.write()
    known = Baseline.read(path).of("emulation", "energy")
    assert known is not None
    assert (known.numbers, known.errors) == ([-1.1, -1.12, -1.09, -1.11], [None, None, None, 0.01])
    schema = load_schema("qhub.baseline/1")
    for file in (V1, path):
        Draft202012Validator(schema).validate(json.loads(file.read_text()))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_any_baseline_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, tiers: object, errors: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.baseline.json"
    path.write_text(json.dumps({"schema": "qhub.baseline/1", "tiers": tiers, "errors": errors}))
    try:
        baseline = Baseline.read(path)
    except QhubError as error:
        told = str(error)
        assert "is damaged" in told
        return
    for tier, names in baseline.tiers.items():
        for name in names:
            check(Number(1.0, 0.1), baseline.of(tier, name), Expectation(name))
            check({"0": 1}, baseline.of(tier, name), Expectation(name))


QUANTUM = """
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import SparsePauliOp
from qhub_ext import Estimator, Sampler, backend
circuit = QuantumCircuit(1)
circuit.ry(1.0, 0)
isa = transpile(circuit, backend())
energy = float(Estimator().run([(isa, SparsePauliOp("Z").apply_layout(isa.layout))]).result()[0].data.evs)
counts = Sampler().run([transpile(circuit.measure_all(inplace=False), backend())], shots=500).result()[0].data.meas.get_counts()
# expect: counts
# expect: energy
# expect: time
"""


def test_counts_and_estimated_values_of_a_script_are_checked_after_one_run_of_a_baseline(place: Place) -> None:
    file = place.path / "quantum.py"
    file.write_text(QUANTUM)
    (_, energy, _) = check_file(place.service, file, ["local"], update=True)
    assert "±" in energy.said
    facts = json.loads(
        place.command("check", str(file), "--json", code=None)
    )  # a busy machine may take too long for `time`
    assert [(one["name"], one["passed"]) for one in facts[:2]] == [("counts", True), ("energy", True)]
    assert "by the standard errors (1 run)" in facts[1]["said"]
    assert facts[2]["name"] == "time"
    assert "at most twice the baseline's" in facts[2]["said"]
    baseline = json.loads(file.with_name("quantum.py.baseline.json").read_text())
    Draft202012Validator(load_schema("qhub.baseline/1")).validate(baseline)


SCRIPT = """
energy = -1.1
# expect: energy
"""


def test_a_script_is_checked_from_the_command_line_and_by_pytest(
    place: Place, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.path / "study.py"
    file.write_text(SCRIPT)
    assert "there is no baseline for it" in place.command("check", str(file), code=1)
    assert "went into the baseline" in place.command("check", str(file), "--update", "--runs=2")
    assert "✓ ok" in place.command("check", str(file))
    file.write_text(SCRIPT.replace("-1.1", "-1.0"))
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
    wrong.stdout.fnmatch_lines(["*energy: -1; all 2 runs of the baseline gave -1.1*"])
    monkeypatch.setenv(*ALONE)
    without = pytester.runpytest_subprocess("-p", PLUGIN, "study.py")
    without.assert_outcomes()
    refused = pytester.runpytest_subprocess("-p", PLUGIN, "--qhub-tier=quantum")
    refused.stderr.fnmatch_lines(["*there is no such tier*"])


def tagged(value: float) -> str:
    cells = [
        {"id": "a", "cell_type": "code", "source": f"energy = {value}", "metadata": {"tags": ["expect:energy ± 0.01"]}},
        {"id": "b", "cell_type": "markdown", "source": "# expect: nothing of prose", "metadata": {}},
        {"id": "c", "cell_type": "code", "source": "counts = {'0': 500, '1': 500}\n# expect: counts", "metadata": {}},
    ]
    for cell in cells:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_is_checked_by_its_tags_and_lines_also_by_pytest(
    place: Place, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.path / "tagged study.ipynb"
    file.write_text(tagged(-1.1))
    made = check_file(place.service, file, ["local"], update=True)
    assert [(one.name, one.passed) for one in made] == [("counts", True), ("energy", True)]
    baseline = file.with_name("tagged study.ipynb.baseline.json")
    Draft202012Validator(load_schema("qhub.baseline/1")).validate(json.loads(baseline.read_text()))
    for name, value in place.environment.items():
        if name.startswith("QHUB_"):
            monkeypatch.setenv(name, value)
    (pytester.path / "study.ipynb.baseline.json").write_bytes(baseline.read_bytes())
    for value, passed in ((-1.105, True), (-1.2, False)):
        file.write_text(tagged(value))
        told = {one.name: (one.passed, one.said) for one in check_file(place.service, file, ["local"])}
        assert (told["counts"][0], told["energy"][0]) == (True, passed)
        assert "baseline -1.1 ± 0.01" in told["energy"][1]
    (pytester.path / "study.ipynb").write_text(tagged(-1.2))
    monkeypatch.setenv(*ALONE)
    wrong = pytester.runpytest_subprocess("-p", PLUGIN, "--qhub-tier=local", "-p", "no:cacheprovider")
    wrong.assert_outcomes(failed=1)
    wrong.stdout.fnmatch_lines(["*study.ipynb on local*", "energy: -1.2; baseline -1.1 ± 0.01"])
