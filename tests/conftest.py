"""Tests run side by side in a few processes; those of one file, and all that use the cluster, stay together and in their order."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

ONE_CLUSTER = "slurm"
"""A machine has one: its users, ports and cgroups are shared."""

# what an example takes on a busy machine says nothing about what is tested
settings.register_profile("search", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
# the same examples in every run, so that none fails by chance; `--hypothesis-profile search` looks for new ones
settings.register_profile("tests", settings.get_profile("search"), derandomize=True)
settings.load_profile("tests")


# a shell's background job ignores SIGINT, and what it starts does so too: the tests interrupt processes of theirs
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # without xdist (`-p no:xdist`) nobody asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return OneClusterScheduling(config, log)


class OneClusterScheduling(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """What stays together in one process."""
    if nodeid.startswith("tests/slurm/") or f"[{ONE_CLUSTER}" in nodeid:
        return ONE_CLUSTER
    return nodeid.partition("::")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, what takes long begins first, so that no process waits for another at the end (`make test` keeps this order)."""
    if not hasattr(config, "workerinput"):
        return
    size = Counter(scope_of(item.nodeid) for item in items)
    slow = Counter(scope_of(item.nodeid) for item in items if item.get_closest_marker("slow"))

    def order(item: pytest.Item) -> tuple[bool, int, int]:
        scope = scope_of(item.nodeid)
        return scope != ONE_CLUSTER, -slow[scope], -size[scope]

    items.sort(key=order)


@pytest.fixture(scope="module", autouse=True)
def devices_as_they_were() -> Iterator[None]:
    """A virtual QPU within a test's own process puts its drifted device in the place of the packaged one."""
    name = "qhub_ext.tiers.devices"  # which is heavy, and most modules do without

    def clear() -> None:
        if name in sys.modules:
            sys.modules[name]._installed.clear()

    clear()  # of what a thread that outlived the module before put there late
    yield
    clear()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """What a test failed over may be text that no process can be sent: then its escapes, or the failure of one test would end the run."""
    return _sendable((yield))


def _sendable(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {_sendable(key): _sendable(value) for key, value in data.items()}
    return type(data)(map(_sendable, data)) if isinstance(data, list | tuple) else data


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The confusion matrix of the faults that were made to happen, in whichever process."""
    reports = [r for word in ("passed", "failed") for r in terminalreporter.stats.get(word, ()) if r.user_properties]
    if reports:
        from tests.diagnosis.matrix import collected, matrix

        if found := collected(reports):
            terminalreporter.section("faults as they were, and as they were explained")
            terminalreporter.write_line(matrix(found))
