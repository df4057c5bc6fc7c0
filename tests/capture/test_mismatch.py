"""How the place of execution differs from that of submission."""

from typing import Any

import pytest

from qhub_ext.capture.mismatch import compare, refuse, verdict_of
from qhub_ext.errors import EnvironmentMismatchError

HERE: dict[str, Any] = {
    "python": "3.11.7",
    "platform": "linux-x86_64",
    "executable": "/opt/venv/bin/python",
    "packages": {"cloudpickle": "3.1.2", "qiskit": "2.6.2", "numpy": "2.4.6", "scipy": "1.16.0", "other": "1"},
    "blas": {"numpy": "libscipy_openblas64_-32a4b2a6.so", "scipy": "libscipy_openblas-6cdc3b4a.so"},
    "machine": {"cpus": 2, "gpus": ["NVIDIA A100", "driver 550.54"]},
    "container": {"engine": "apptainer", "image": "/images/qhub.sif", "digest": f"sha256:{'a' * 64}"},
}


def test_the_same_place_differs_in_nothing() -> None:
    assert compare(HERE, HERE) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"python": "3.12.1"}, "captured with Python 3.11.7, here is Python 3.12.1"),
        ({"packages": {**HERE["packages"], "qiskit": "2.5.0"}}, "qiskit is 2.5.0 here, it was 2.6.2"),
        ({"packages": {**HERE["packages"], "cloudpickle": "4.0"}}, "pip install cloudpickle==3.1.2"),
        (
            {"packages": {k: v for k, v in HERE["packages"].items() if k != "qiskit"}},
            "qiskit 2.6.2 is not installed here",
        ),
    ],
)
def test_what_could_load_wrong_values_is_refused_with_the_command_to_mend_it(change: dict[str, Any], says: str) -> None:
    with pytest.raises(EnvironmentMismatchError) as caught:
        refuse(compare(HERE, {**HERE, **change}))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"python": "3.11.9"}, "Python is 3.11.9 here"),
        ({"packages": {**HERE["packages"], "qiskit": "2.6.9"}}, "qiskit is 2.6.9"),
        ({"packages": {**HERE["packages"], "numpy": "1.0"}}, "numpy is 1.0 here"),
        ({"packages": {**HERE["packages"], "other": "2"}}, "Other versions than in the notebook: other"),
        ({"platform": "linux-aarch64"}, "linux-aarch64"),
        (
            {"blas": {**HERE["blas"], "numpy": "libmkl_rt.so.2"}},
            "last digits may differ: numpy libmkl_rt.so.2; it was numpy libscipy_openblas64_-32a4b2a6.so.",
        ),
        ({"machine": {"gpus": []}}, "GPUs are none here, NVIDIA A100, driver 550.54 in the notebook."),
        ({"machine": {"gpus": ["NVIDIA H200"]}}, "GPUs are NVIDIA H200 here"),
        (
            {"container": {**HERE["container"], "digest": f"sha256:{'b' * 64}"}},
            f"The container is sha256:{'b' * 64} here, sha256:{'a' * 64} in the notebook.",
        ),
        ({"container": {"engine": "podman", "image": "qhub:2", "digest": ""}}, "The container is qhub:2 here"),
    ],
)
def test_what_may_change_results_is_noted(change: dict[str, Any], says: str) -> None:
    notes = compare(HERE, {**HERE, **change})
    refuse(notes)
    assert [note.severity for note in notes] == ["note"]
    assert says in notes[0].sentence


@pytest.mark.parametrize(
    ("captured", "here"),
    [
        ({k: v for k, v in HERE.items() if k not in ("blas", "machine", "container")}, HERE),  # of an earlier version
        (HERE, {k: v for k, v in HERE.items() if k not in ("blas", "container")}),
        ({**HERE, "machine": {"gpus": []}}, HERE),  # what the cell did not have it does not miss
        ({**HERE, "container": None}, HERE),  # the site's own choice, which the versions of packages judge
        ({**HERE, "blas": {"torch": "libmkl_rt.so.2"}}, HERE),
    ],
)
def test_what_one_place_says_nothing_of_is_no_difference(captured: dict[str, Any], here: dict[str, Any]) -> None:
    assert verdict_of(compare(captured, here)) == "same"


@pytest.mark.parametrize("odd", [3, "x", [1], {"numpy": 3}, None])
def test_a_record_of_a_stranger_is_compared_without_complaint(odd: object) -> None:
    for name in ("blas", "machine", "container"):
        for captured, here in (({**HERE, name: odd}, HERE), (HERE, {**HERE, name: odd})):
            assert verdict_of(compare(captured, here)) in ("same", "compatible")


def test_a_record_without_facts_refuses_nothing() -> None:
    for captured in ({}, {"packages": 3}):
        refuse(compare(captured, HERE))
