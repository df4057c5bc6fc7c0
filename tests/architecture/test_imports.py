"""Who may import what: arrows point down, and the front door stays light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("qiskit", "qiskit_aer", "qiskit_ibm_runtime", "pandas", "plotly", "numpy", "matplotlib")


def loaded_after(code: str) -> set[str]:
    """Top-level packages in a fresh interpreter after `code`."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_contracts_of_the_design_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize(
    "code",
    [
        "import qhub_ext",
        "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\nshell.run_line_magic('load_ext', 'qhub_ext')",
        "import qhub_ext.service, qhub_ext.verbs, qhub_ext.magics",
        "import qhub_ext.sites.embedded.daemon",
        "import qhub_ext.cli",
    ],
    ids=["import", "load_ext", "service", "daemon", "cli"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    assert not loaded_after(code) & set(HEAVY)


def test_the_daemon_of_the_embedded_site_is_the_standard_library_and_the_job_folder() -> None:
    extra = loaded_after("import qhub_ext.sites.embedded.daemon") & {
        "pydantic",
        "IPython",
        "jupyter_core",
        "click",
        "platformdirs",
    }
    assert not extra


def test_the_public_names_are_what_the_front_door_says() -> None:
    import qhub_ext

    assert set(qhub_ext.__all__) == {
        *("Estimator", "Job", "JobService", "PulserBackend", "Sampler", "__version__"),
        *("backend", "pulser_device", "span", "submit", "submit_notebook"),
    }
    for name in qhub_ext.__all__:
        assert getattr(qhub_ext, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Samplr'"):
        _ = qhub_ext.Samplr
