"""`pytest --qhub-tier=emulation`: scripts and notebooks that say what they expect (`# expect: counts`) are tests on that tier.

Loaded with every pytest of an environment that has the package: nothing is imported before the option asks for it. The fixture `qhub_tier`
is the tier's name; primitives of a test that asks for it run there, in its own process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("qhub")
    group.addoption(
        "--qhub-tier",
        metavar="TIER[,TIER]",
        default="",
        help="Check files with `# expect:` lines as jobs on these tiers.",
    )
    group.addoption("--qhub-update", action="store_true", help="Put what they give into their baselines instead.")


def pytest_configure(config: pytest.Config) -> None:
    _tiers(config)  # an unknown tier is said before anything is collected


def _tiers(config: pytest.Config) -> list[str]:
    tiers = [tier for tier in str(config.getoption("--qhub-tier")).split(",") if tier]
    if tiers:
        from qhub_ext.job.context import TIERS

        for tier in tiers:
            if tier not in TIERS:
                raise pytest.UsageError(f"--qhub-tier {tier}: there is no such tier. Known: {', '.join(TIERS)}.")
    return tiers


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    tiers = _tiers(parent.config)
    if not tiers or file_path.suffix not in (".py", ".ipynb"):
        return None
    from qhub_ext.checks import expectations_of
    from qhub_ext.errors import QhubError

    try:
        expectations_of(file_path.read_text("utf-8"), file_path.name)
    except (QhubError, OSError, UnicodeDecodeError):
        return None  # it expects nothing
    return CheckedFile.from_parent(parent, path=file_path)


class CheckedFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        for tier in _tiers(self.config):
            yield Check.from_parent(self, name=tier, tier=tier)


class DeviationError(Exception):
    """What was beyond its bounds, a line each."""


class Check(pytest.Item):
    def __init__(self, *, tier: str, **options: Any) -> None:
        super().__init__(**options)
        self.tier = tier

    def runtest(self) -> None:
        from qhub_ext.checks import check_file
        from qhub_ext.service import JobService

        update = bool(self.config.getoption("--qhub-update"))
        found = check_file(JobService(), self.path, [self.tier], update=update)
        wrong = [f"{one.name}: {one.said}" for one in found if not one.passed]
        if wrong:
            raise DeviationError("\n".join(wrong))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from qhub_ext.errors import QhubError

        if isinstance(excinfo.value, DeviationError | QhubError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name} on {self.tier}"


@pytest.fixture
def qhub_tier(request: pytest.FixtureRequest) -> Iterator[str]:
    """The first tier of --qhub-tier (default: local), where primitives of this test run."""
    from qhub_ext.job.context import using

    tier = (_tiers(request.config) or ["local"])[0]
    with using(tier=tier):
        yield tier
