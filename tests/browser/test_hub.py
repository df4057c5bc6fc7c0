"""JupyterHub with two users at once, behind a base_url."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hub import Enter, Hub, running
from tests.waiting import wait_until

ASK = """async path => {
  const { baseUrl } = window.jupyterapp.serviceManager.serverSettings;
  const xsrf = document.cookie.match(/\\b_xsrf=([^;]*)/);
  const answer = await fetch(baseUrl + path, { headers: { 'X-XSRFToken': xsrf ? xsrf[1] : '' } });
  return [answer.status, await answer.text()];
}"""


@pytest.fixture(scope="module")
def hub(front: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running(Hub(tmp_path_factory.mktemp("hub"))) as hub:
        yield hub


def ask(page: Page, path: str) -> tuple[int, str]:
    """The user's own server, as the page asks it."""
    status, text = page.evaluate(ASK, path)
    return status, text


def names(page: Page) -> list[str]:
    status, text = ask(page, "qhub_ext/jobs")
    assert status == 200, text
    return [job["name"] for job in json.loads(text)["jobs"]]


def test_two_users_each_have_their_own_jobs_and_cannot_reach_the_others(hub: Hub, enter: Enter) -> None:
    alice, bob = enter("alice"), enter("bob")
    made = hub.submit("alice", "alices job")
    hub.submit("bob", "bobs job")
    wait_until(lambda: names(alice) == ["alices job"], what="alice's own job, and no other")
    wait_until(lambda: names(bob) == ["bobs job"], what="bob's own job, and no other")

    status, text = ask(bob, f"qhub_ext/jobs/{made.id}")
    assert (status, "alices job" in text) == (404, False)
    stray = bob.context.new_page()
    for path in ("jobs", f"jobs/{made.id}", f"jobs/{made.id}/archive"):
        answer = stray.goto(f"{hub.address}user/alice/qhub_ext/{path}")
        assert answer is not None
        assert (answer.status, "alices job" in answer.text()) == (403, False), path
    for folder in (hub.service(user).shelf.path for user in ("alice", "bob")):
        assert folder.stat().st_mode & 0o077 == 0

    for page, own, other in ((alice, "alices job", "bobs job"), (bob, "bobs job", "alices job")):
        page.evaluate("void window.jupyterapp.commands.execute('qhub-ext:show-jobs')")
        jobs = page.get_by_role("region", name="Quantum jobs").get_by_role("grid", name="Jobs")
        expect(jobs.get_by_text(own)).to_be_visible()
        expect(jobs.get_by_text(other)).to_have_count(0)
