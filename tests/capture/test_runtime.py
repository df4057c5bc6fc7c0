"""Where a cell was captured, without its secrets."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from qhub_ext.capture import runtime
from qhub_ext.capture.runtime import (
    allowed_environment,
    git_revision,
    installed_blas,
    installed_packages,
    record_runtime,
)
from qhub_ext.settings import Settings
from qhub_ext.telemetry.secrets import is_secret


def test_packages_are_those_that_the_metadata_of_python_lists() -> None:
    found = installed_packages()
    listed: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        listed.setdefault(name.lower().replace("_", "-").replace(".", "-"), distribution.version)
    assert found == dict(sorted(listed.items()))


def test_a_package_installed_meanwhile_is_seen(tmp_path: Path) -> None:
    assert installed_packages([str(tmp_path)]) == {}
    (tmp_path / "My_Package-1.0.dev1+local.dist-info").mkdir()
    (tmp_path / "old-2.1-py3.11.egg-info").mkdir()
    (tmp_path / "not-a-package-info").mkdir()
    assert installed_packages([str(tmp_path)]) == {"my-package": "1.0.dev1+local", "old": "2.1"}


def test_the_packages_of_an_earlier_entry_win(tmp_path: Path) -> None:
    for folder, version in (("a", "1"), ("b", "2")):
        (tmp_path / folder / f"thing-{version}.dist-info").mkdir(parents=True)
    assert installed_packages([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "none")]) == {"thing": "1"}


def test_a_second_look_reads_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    path = [entry for entry in sys.path if entry]
    first = installed_packages(path)
    monkeypatch.setattr(runtime.os, "listdir", lambda _: pytest.fail("read again"))
    assert installed_packages(path) == first


def test_the_record_is_json_and_says_where(tmp_path: Path) -> None:
    record = record_runtime(Settings(), tmp_path)
    assert json.loads(json.dumps(record)) == record
    assert record["schema"] == "qhub.runtime/1"
    assert record["executable"] == sys.executable
    assert record["packages"]["cloudpickle"] == metadata.version("cloudpickle")


def site_packages(place: Path, **libraries: str) -> str:
    """With numpy, and folders of libraries as wheels bring them."""
    (place / "numpy").mkdir(parents=True)
    for name, file in libraries.items():
        (place / f"{name}.libs").mkdir()
        for one in (file, "libgfortran-040039e1.so.5.0.0"):
            (place / f"{name}.libs" / one).touch()
    return str(place)


def test_libraries_of_linear_algebra_are_named_without_loading_any(tmp_path: Path) -> None:
    first = site_packages(tmp_path / "a", numpy="libscipy_openblas64_-32a4b2a6.so", qiskit_aer="libopenblas-r0-11ed.so")
    second = site_packages(tmp_path / "b", numpy="libmkl_rt.so.2", scipy="libblis.so.4")
    assert installed_blas([first]) == {
        "numpy": "libscipy_openblas64_-32a4b2a6.so",
        "qiskit_aer": "libopenblas-r0-11ed.so",
    }
    assert installed_blas([first, second]) == {
        **installed_blas([first]),
        "scipy": "libblis.so.4",
    }  # as `import` chooses
    assert record_runtime(Settings(), tmp_path)["blas"]["numpy"]
    words = [
        sys.executable,
        "-c",
        "import sys, qhub_ext.capture.runtime as r; print(r.installed_blas(), 'numpy' in sys.modules)",
    ]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.endswith(" False\n")


def test_numpy_without_libraries_of_its_own_has_those_of_its_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As conda and Debian install it: a chain of links says which."""
    library = tmp_path / "prefix" / "lib" / "libopenblasp-r0.3.30.so"
    library.parent.mkdir(parents=True)
    library.touch()
    (library.parent / "libblas.so.3").symlink_to(library.name)
    (library.parent / "libcblas.so.3").symlink_to("libblas.so.3")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    assert installed_blas([site_packages(tmp_path / "c")]) == {"numpy": str(library)}


def test_the_digest_changes_with_what_a_kernel_was_started_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = record_runtime(Settings(), tmp_path)["environment_digest"]
    assert record_runtime(Settings(), tmp_path / "elsewhere")["environment_digest"] == before
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    after = record_runtime(Settings(), tmp_path)
    assert after["environment_digest"] != before
    assert after["environment"]["OMP_NUM_THREADS"] == "17"


@pytest.mark.parametrize(
    "name",
    ["QISKIT_IBM_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "MY_KEY", "API_KEYS", "GOOGLE_CREDENTIALS", "HTTP_AUTH", "QISKIT_API_TOKEN",
     "IBM_CRN", "SSH_PRIVATE_FILE", "SESSION_ID", "MYSQL_PWD", "github_pat", "SENTRY_DSN", "APIKEY", "COOKIE_JAR", "GPG_PASSPHRASE"],
)  # fmt: skip
def test_names_that_look_like_secrets_never_travel(name: str) -> None:
    assert is_secret(name)
    assert allowed_environment(["*"], {name: "x", "LANG": "C"}) == {"LANG": "C"}


@pytest.mark.parametrize(
    "name",
    ["LANG", "PATH", "PYTHONPATH", "OMP_NUM_THREADS", "KEYBOARD_LAYOUT", "MONKEY", "XDG_CONFIG_HOME", "PYTHONHASHSEED"],
)
def test_ordinary_names_are_no_secrets(name: str) -> None:
    assert not is_secret(name)


def test_a_password_inside_a_url_does_not_travel() -> None:
    given = {"PIP_INDEX_URL": "https://me:s3cret@host/simple", "HTTP_PROXY": "http://proxy:3128"}
    assert allowed_environment(["PIP_*", "HTTP_*"], given) == {"HTTP_PROXY": "http://proxy:3128"}


def test_only_what_the_patterns_name_travels() -> None:
    given = {"LC_ALL": "C", "LC_TIME": "C", "HOME": "/x", "XLC_A": "1"}
    assert allowed_environment(["LC_*"], given) == {"LC_ALL": "C", "LC_TIME": "C"}
    assert allowed_environment([], given) == {}


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_revision_is_read_from_the_files_of_git(tmp_path: Path) -> None:
    assert git_revision(tmp_path / "no") is None
    work = tmp_path / "work"
    (work / "deep").mkdir(parents=True)
    git(work, "init", "-q", "-b", "topic/one")
    assert git_revision(work) is None
    git(work, "commit", "-q", "--allow-empty", "-m", "first")
    head = git(work, "rev-parse", "HEAD")
    expected = {"revision": head, "branch": "topic/one"}
    assert git_revision(work / "deep") == expected
    git(work, "pack-refs", "--all")
    assert git_revision(work) == expected
    git(work, "worktree", "add", "-q", "-b", "two", str(tmp_path / "tree"))
    assert git_revision(tmp_path / "tree") == {"revision": head, "branch": "two"}
    git(work, "checkout", "-q", "--detach")
    assert git_revision(work) == {"revision": head, "branch": ""}
