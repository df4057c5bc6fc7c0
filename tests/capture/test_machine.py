"""What a process runs on, as the files of drivers and container engines tell it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.capture import machine

DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without GPUs, outside of containers, whatever this one is."""
    for name in ("_GPUS", "_PODMAN", "_DOCKER"):
        monkeypatch.setattr(machine, name, tmp_path / name)
    machine._machine.cache_clear()
    yield
    machine._machine.cache_clear()


def test_gpus_are_told_by_model_with_the_version_of_their_driver(tmp_path: Path) -> None:
    assert machine.machine_record()["gpus"] == []
    for card in ("0000:17:00.0", "0000:65:00.0"):
        place = tmp_path / "_GPUS" / "gpus" / card
        place.mkdir(parents=True)
        (place / "information").write_text(f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 84\nBus Location: \t {card}\n")
    (tmp_path / "_GPUS" / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build\nGCC version:  gcc 13\n"
    )
    machine._machine.cache_clear()
    assert machine.machine_record()["gpus"] == ["NVIDIA H200", "NVIDIA H200", "driver 570.124.06"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (
            {"APPTAINER_CONTAINER": "/images/qhub.sif"},
            {"engine": "apptainer", "image": "/images/qhub.sif", "digest": ""},
        ),
        (
            {"SINGULARITY_CONTAINER": "/images/qhub.sif", machine.IMAGE: f"docker://qhub@{DIGEST}"},
            {"engine": "apptainer", "image": "/images/qhub.sif", "digest": DIGEST},
        ),
        ({machine.IMAGE: f"qhub@{DIGEST}"}, {"engine": "unknown", "image": "qhub", "digest": DIGEST}),
    ],
)
def test_a_container_is_told_with_its_digest_where_somebody_named_it(
    environment: dict[str, str], expected: dict[str, str] | None
) -> None:
    assert machine.container_record(environment) == expected


def test_podman_and_docker_are_known_by_the_files_that_they_leave(tmp_path: Path) -> None:
    (tmp_path / "_DOCKER").touch()
    assert machine.container_record({}) == {"engine": "docker", "image": "", "digest": ""}
    (tmp_path / "_PODMAN").write_text(
        f'engine="podman-4.3.1"\nname="x"\nimage="localhost/qhub"\nimageid="{"e" * 64}"\n'
    )
    assert machine.container_record({}) == {
        "engine": "podman",
        "image": "localhost/qhub",
        "digest": f"sha256:{'e' * 64}",
    }
    (tmp_path / "_PODMAN").write_text("")
    named = {machine.IMAGE: f"localhost/qhub@{DIGEST}"}
    assert machine.container_record(named) == {"engine": "podman", "image": "localhost/qhub", "digest": DIGEST}
