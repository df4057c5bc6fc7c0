"""The imports that a cell begins with are begun before it; nobody may notice but the clock."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from qhub_ext.runner.early import first_imports, without_a_word
from tests.runner.conftest import Workshop


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("import numpy as np, scipy.sparse\nimport qiskit", ["numpy", "scipy.sparse", "qiskit"]),
        ("# first\n'''second'''\nfrom qiskit.circuit import Gate", ["qiskit.circuit"]),
        ("from __future__ import annotations\nimport os, time\nimport qiskit", ["qiskit"]),
        ("from qhub_ext import Sampler", ["qhub_ext.primitives"]),
        ("from qhub_ext import submit", ["qhub_ext"]),
        ("import qiskit\nimport mine\nimport numpy", ["qiskit"]),
        ("import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport numpy", []),
        ("if slow:\n    import numpy", []),
        ("from . import numpy", []),
        ("%matplotlib inline\nimport numpy", []),
        ("import numpy\nx = (", []),
        ("", []),
    ],
)
def test_only_what_certainly_comes_first_is_imported_early(tmp_path: Path, cell: str, found: list[str]) -> None:
    assert first_imports(cell, [str(tmp_path)]) == found


def test_a_module_of_the_user_s_own_folder_is_left_to_the_cell(tmp_path: Path) -> None:
    (tmp_path / "qiskit.py").write_text("print('mine')")
    (tmp_path / "random.py").write_text("print('mine')")
    assert first_imports("import numpy\nimport qiskit\nimport scipy", [str(tmp_path)]) == ["numpy"]
    assert first_imports("import numpy\nimport random\nimport scipy", [str(tmp_path)]) == ["numpy"]


def test_this_package_is_loaded_already_so_a_checkout_of_it_beside_the_cell_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "qhub_ext").mkdir()
    (tmp_path / "qhub_ext" / "__init__.py").write_text("print('another')")
    assert first_imports("import qhub_ext.primitives, numpy", [str(tmp_path)]) == ["qhub_ext.primitives", "numpy"]


def test_a_warning_is_kept_and_the_filters_stay_as_a_module_left_them() -> None:
    with warnings.catch_warnings():
        with without_a_word() as heard:
            warnings.simplefilter("always")
            warnings.warn("later", UserWarning, stacklevel=1)
        assert warnings.filters[0][0] == "always"
    assert [str(warning.message) for warning in heard] == ["later"]


def test_what_a_module_of_the_user_prints_when_it_is_imported_comes_back(workshop: Workshop) -> None:
    (workshop.root / "scipy.py").write_text("import warnings; print('mine'); warnings.warn('look out')")
    run = workshop.run("import scipy\nprint('after')")
    assert run.text.startswith("mine\nafter\n")
    assert "look out" in run.text


def test_a_warning_of_a_slow_package_comes_back_with_the_cell(workshop: Workshop, tmp_path: Path) -> None:
    package = tmp_path / "elsewhere"
    package.mkdir()
    (package / "qiskit_ibm_runtime.py").write_text("import warnings; warnings.warn('look out')")
    run = workshop.run(
        "import qiskit_ibm_runtime\nprint('after')",
        environment={"PYTHONPATH": str(package), "PYTHONWARNINGS": "default"},
    )
    assert "look out" in run.text
    assert "after\n" in run.text


def test_what_a_slow_package_prints_comes_back_with_the_cell(workshop: Workshop, tmp_path: Path) -> None:
    package = tmp_path / "elsewhere"
    package.mkdir()
    (package / "qiskit_ibm_runtime.py").write_text("import sys; print('hello'); print('look out', file=sys.stderr)")
    run = workshop.run("import qiskit_ibm_runtime\nprint('after')", environment={"PYTHONPATH": str(package)})
    assert sorted(run.text.split("\n")) == ["", "after", "hello", "look out"]
    assert run.text.index("hello") < run.text.index("after")


def test_an_import_that_fails_fails_in_the_cell_on_its_line(workshop: Workshop) -> None:
    run = workshop.run("import numpy\nimport numpy.nothing\n")
    assert run.outcome["state"] == "failed"
    assert "No module named 'numpy.nothing'" in run.text
    assert "----> 2 import numpy.nothing" in run.text
