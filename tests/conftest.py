"""Tests run side by side in a few processes; those of one file, and all that use the cluster, stay together and in their order."""

from __future__ import annotations

import pytest

ONE_CLUSTER = "slurm"
"""A machine has one: its users, ports and cgroups are shared."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    fixtures = getattr(item, "fixturenames", ())
    if "/tests/slurm/" in item.path.as_posix() or ONE_CLUSTER in parameters.values() or "slurm_cluster" in fixtures:
        return ONE_CLUSTER
    return item.nodeid.partition("::")[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The confusion matrix of the faults that were made to happen, in whichever process."""
    reports = [r for word in ("passed", "failed") for r in terminalreporter.stats.get(word, ()) if r.user_properties]
    if reports:
        from tests.diagnosis.matrix import collected, matrix

        if found := collected(reports):
            terminalreporter.section("faults as they were, and as they were explained")
            terminalreporter.write_line(matrix(found))
