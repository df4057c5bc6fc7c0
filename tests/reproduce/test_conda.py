"""A conda environment for real: packages in conda's format, solved and installed by rattler from a channel that is made here.

Its Python is a stand-in (a link to this one), as no public channel is asked.
"""

from __future__ import annotations

import bz2
import io
import json
import platform
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

import qhub_ext
from qhub_ext.errors import EnvironmentMismatchError
from qhub_ext.reproduce.environments import build
from qhub_ext.reproduce.lock import read_lock_text
from qhub_ext.reproduce.uv import run_uv
from tests.front.conftest import Place

MINOR = ".".join(map(str, sys.version_info[:2]))
SITE = f"lib/python{MINOR}/site-packages"
SUBDIR = {"aarch64": "linux-aarch64"}.get(platform.machine(), "linux-64")
INSTALL = """
import asyncio, os, sys
from pathlib import Path
from rattler import Channel, install, solve
from rattler.index import index_fs
from rattler.platform import Platform

async def main(channel, prefix, subdir):
    await index_fs(Path(channel), Platform(subdir))
    records = await solve(
        sources=[Channel(Path(channel).as_uri())], specs=["python", "thing"], platforms=[subdir, "noarch"], virtual_packages=[]
    )
    await install(records=records, target_prefix=prefix, cache_dir=prefix + ".cache", show_progress=False)

asyncio.run(main(*sys.argv[1:]))
os._exit(0)  # rattler's threads abort an interpreter that takes leave of them
"""


def put_package(
    channel: Path, name: str, version: str, files: dict[str, str], links: dict[str, str], *depends: str
) -> None:
    """A .tar.bz2 as conda-build makes them: files, and what they are in info/."""
    index = {
        "name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends),
        "subdir": SUBDIR, "platform": "linux", "arch": platform.machine(),
    }  # fmt: skip
    inside = {
        **files,
        "info/index.json": json.dumps(index),
        "info/files": "".join(f"{one}\n" for one in (*files, *links)),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, text in inside.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    place = channel / SUBDIR
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}-{version}-0.tar.bz2").write_bytes(bz2.compress(packed.getvalue()))


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conda")
    ours = sysconfig.get_paths()["purelib"]
    info = f"{SITE}/thing-1.0.dist-info"
    put_package(
        folder / "channel", "python", sys.version.split()[0],
        {"pyvenv.cfg": f"home = {sys.base_prefix}/bin\n", f"{SITE}/ours.pth": f"import site; site.addsitedir({ours!r})\n"},
        {"bin/python": f"{sys.base_prefix}/bin/python{MINOR}"},
    )  # fmt: skip
    put_package(
        folder / "channel", "thing", "1.0",
        {f"{SITE}/thing.py": "version = '1.0'\n", f"{info}/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
         f"{info}/INSTALLER": "conda\n", "etc/conda/activate.d/thing.sh": "export FROM_THING=yes\n"},
        {}, "python",
    )  # fmt: skip
    python = str(folder / "tool" / "bin" / "python")
    for words in (
        ["venv", "-q", "--python", sys.executable, str(folder / "tool")],
        ["pip", "install", "-q", "--python", python, "py-rattler==0.28.0"],
    ):
        done = run_uv(words)
        assert done.returncode == 0, done.stderr
    command = [python, "-c", INSTALL, str(folder / "channel"), str(folder / "my env"), SUBDIR]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    return folder / "my env"


def test_a_job_runs_in_a_conda_environment_and_has_what_its_packages_set_on_activation(
    place: Place, prefix: Path
) -> None:
    toml = place.path / "conda.toml"
    toml.write_text(f"[runtimes.local]\nkind = 'conda'\npath = '{prefix}'\n")
    there = Place(place.path, {**place.environment, "QHUB_CONFIG": str(toml)})
    file = place.path / "in conda.py"
    file.write_text(
        "import os, sys, thing\n"
        "found = [sys.prefix, os.environ['CONDA_PREFIX'], os.environ['FROM_THING'], thing.version]\n"
    )
    job = json.loads(there.command("run", str(file), "--tier=local", "--wait", "--json"))
    found = json.loads(there.command("fetch", job["id"], "found", "--json"))["found"]
    assert found == [str(prefix), str(prefix), "yes", "1.0"]


def test_what_conda_installed_is_in_the_lock_by_its_own_records_and_is_refused_to_uv_in_a_sentence(
    prefix: Path, tmp_path: Path
) -> None:
    code = "import sys; from qhub_ext.reproduce.locking import make_lock; sys.stdout.buffer.write(make_lock(sys.path))"
    words = [str(prefix / "bin" / "python"), "-c", code]
    done = subprocess.run(words, capture_output=True, check=True, cwd=Path(qhub_ext.__file__).parents[1])
    lock = read_lock_text(done.stdout, "it")
    found = {one["name"]: one for one in lock.conda}
    assert found.keys() == {"python", "thing"}
    assert (found["thing"]["version"], found["thing"]["build"], len(found["thing"]["sha256"])) == ("1.0", "0", 64)
    assert "url" not in found["thing"]  # the channel is this machine's own
    assert "thing" not in lock.versions
    with pytest.raises(EnvironmentMismatchError, match=r"2 packages of conda \(python, thing \.\.\.\)") as caught:
        build(done.stdout, "it", tmp_path / "environments")
    assert 'kind = "conda"' in str(caught.value.advice)
