"""Sites by name, ours and other packages'."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from qhub_ext.errors import SiteError, UnknownNameError
from qhub_ext.settings import Settings
from qhub_ext.sites import pick
from qhub_ext.sites.embedded.site import EmbeddedSite


class Elsewhere(EmbeddedSite):
    name = "elsewhere"


class NotASite:
    def __init__(self, settings: Settings) -> None:
        pass


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("elsewhere", "tests.sites.test_pick:Elsewhere", pick.GROUP),
        EntryPoint("hollow", "tests.sites.test_pick:NotASite", pick.GROUP),
        EntryPoint("broken", "no_such_module:Site", pick.GROUP),
    ]
    monkeypatch.setattr(pick, "_entry_points", lambda: points)


def settings(tmp_path: Path) -> Settings:
    return Settings(shelf=tmp_path, cache=tmp_path)


def test_the_settings_name_the_site(tmp_path: Path) -> None:
    assert pick.pick_site(settings=settings(tmp_path)).name == "embedded"


def test_a_package_brings_a_site_by_entry_point(tmp_path: Path, entry_points: None) -> None:
    assert pick.pick_site("elsewhere", settings(tmp_path)).name == "elsewhere"


def test_an_unknown_site_is_one_sentence_with_what_is_near(tmp_path: Path, entry_points: None) -> None:
    with pytest.raises(UnknownNameError, match=r"no site 'embeded'\. Did you mean 'embedded'"):
        pick.pick_site("embeded", settings(tmp_path))


def test_a_site_that_cannot_be_loaded_says_which_package(tmp_path: Path, entry_points: None) -> None:
    with pytest.raises(SiteError, match="no_such_module:Site cannot be loaded"):
        pick.pick_site("broken", settings(tmp_path))


def test_a_site_without_the_verbs_is_refused(tmp_path: Path, entry_points: None) -> None:
    with pytest.raises(SiteError, match="not a site scheduler"):
        pick.pick_site("hollow", settings(tmp_path))
