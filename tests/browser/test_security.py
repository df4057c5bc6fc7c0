"""What strangers' text and strangers' notebooks may do in the page (nothing), and what a read-only user may do (look)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from qhub_ext.job.identity import short_id
from tests.browser.desk import Desk
from tests.browser.lab import CARD, Lab

PROBE = "window.hacked = true"
HOSTILE = {
    "an image": f"<img src=x onerror='{PROBE}'>",
    "a script": f"</script><script>{PROBE}</script>",
    "markdown": f"[click](javascript:{PROBE.replace(' ', '')})",
    "terminal": "\x1b]0;title\x07\x1b[31mred\x1b[0m\x1b[2J",
    "direction": "abc\u202egnp.exe",
    "length": "long " * 12,
}
"""Names of jobs that want to be more than names."""


ELSEWHERE = "http://elsewhere.invalid"
ACTIVE = (
    HOSTILE["an image"],
    f"<script>{PROBE}</script><script src='{ELSEWHERE}/a.js'></script>",
    f"<svg onload='{PROBE}'><script>{PROBE}</script></svg>",
    f"<iframe src='{ELSEWHERE}/frame'></iframe><iframe srcdoc='<script>parent.{PROBE}</script>'></iframe>",
    f"<object data='{ELSEWHERE}/object'></object><embed src='{ELSEWHERE}/embed'>",
    f"<link rel='stylesheet' href='{ELSEWHERE}/a.css'><style>@import url('{ELSEWHERE}/b.css');</style>",
    f"<meta http-equiv='refresh' content='0;url={ELSEWHERE}/'><base href='{ELSEWHERE}/'>",
    f"<details open ontoggle='{PROBE}'>open</details><input autofocus onfocus='{PROBE}'>",
)
LOADING = (
    f"<img src='{ELSEWHERE}/i.png' srcset='{ELSEWHERE}/i2.png 2x'><img src='//elsewhere.invalid/j.png'>",
    f"<video src='{ELSEWHERE}/v.mp4' poster='{ELSEWHERE}/p.png' autoplay></video><audio src='{ELSEWHERE}/a.mp3' autoplay></audio>",
    f"<div style='background: url({ELSEWHERE}/b.png)'>background</div>",
    f"<!-- --!><img src='{ELSEWHERE}/c.png'> --><noscript><img src='{ELSEWHERE}/n.png'></noscript>",
)
"""What JupyterLab itself fetches for any notebook, trusted or not."""


def showing(html: tuple[str, ...], *bundles: dict[str, str]) -> str:
    """A cell with such outputs, one of each kind, and a printed line and an error that want to be more than text."""
    shown = [*({"text/html": one, "text/plain": "-"} for one in html), *bundles]
    return f"""
from IPython.display import display
for bundle in {shown!r}:
    display(bundle, raw=True)
print({HOSTILE["terminal"]!r}, {HOSTILE["an image"]!r}, "\\x1b]8;;javascript:{PROBE}\\x07link\\x1b]8;;\\x07")
print("shown to its end")
raise type({HOSTILE["an image"]!r}, (Exception,), {{}})({HOSTILE["a script"]!r} + {HOSTILE["terminal"]!r})
"""


BUNDLES = (
    {"application/javascript": PROBE, "text/plain": "-"},
    {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' onload='{PROBE}'><script>{PROBE}</script></svg>"},
    {"text/markdown": f"[click](javascript:{PROBE.replace(' ', '')}) {HOSTILE['an image']}"},
    {"text/latex": "$\\href{javascript:" + PROBE + "}{x}$"},
)


def hostile_card(job_id: str, name: str) -> dict[str, Any]:
    """What a stranger may write into a notebook's output."""
    record = {
        "id": job_id,
        "name": name,
        "tier": name,
        "device": name,
        "state": "failed",
        "message": name,
        "notes": [name],
    }
    return {
        "output_type": "display_data",
        "data": {CARD: record, "text/html": HOSTILE["an image"], "text/plain": "a job"},
        "metadata": {"qhub": {"job": job_id, "home": True}},
    }


@pytest.fixture
def harmless(desk: Desk) -> Desk:
    yield desk
    assert not desk.page.evaluate("window.hacked === true")


def test_hostile_names_and_outputs_stay_text(harmless: Desk) -> None:
    desk = harmless
    cell = (
        "from IPython.display import HTML\nprint('\\x1b[2J\\x1b]0;x\\x07' + '<b>not bold</b>')\nraise ValueError(TEXT)"
    )
    cell = cell.replace("TEXT", repr(HOSTILE["an image"]))
    jobs = {kind: desk.lab.submit(cell, name=name, tier="local") for kind, name in HOSTILE.items()}
    desk.open()
    desk.show_jobs()
    search = desk.sidebar.get_by_label("Search in jobs")
    for kind, job in jobs.items():
        search.fill(short_id(job.id))
        expect(desk.sidebar.get_by_role("row")).to_have_count(1)
        expect(desk.sidebar.get_by_role("row")).to_contain_text("failed")
        shown = desk.sidebar.inner_text()
        assert not [c for c in shown if (ord(c) < 32 and c not in "\n\t") or c == "\u202e"], kind
    search.fill("")
    expect(desk.sidebar.locator("img, script, a[href^='javascript']")).to_have_count(0)


def test_hostile_outputs_run_nothing_and_fetch_nothing(harmless: Desk) -> None:
    desk, lab = harmless, harmless.lab
    desk.expect_errors("404")  # what is left of an image that is nowhere
    page = desk.page
    active = lab.submit(showing(ACTIVE, *BUNDLES), name="active", tier="local")
    loading = lab.submit(
        showing(LOADING, {"text/markdown": f"![picture]({ELSEWHERE}/m.png)"}), name="loading", tier="local"
    )
    for job in (active, loading):
        job.wait(240)

    # in the job view: outputs, and the same as a log
    desk.open()
    desk.show_jobs()
    view = page.locator(".qhub-Job:visible")
    for job in (active, loading):
        desk.run("qhub-ext:open-job", id=job.id)
        expect(view.get_by_role("heading", name=job.record.spec.name)).to_be_visible()
        expect(view.get_by_role("tabpanel")).to_contain_text("shown to its end")
        expect(view.get_by_role("button", name="Trust these outputs")).to_be_visible()
        for inside in (
            "script",
            "iframe",
            "object",
            "[onerror]",
            "[onload]",
            "a[href^=javascript]",
            "[src*=elsewhere]",
        ):
            expect(view.locator(f"[role=tabpanel] {inside}")).to_have_count(0)
        view.get_by_role("tab", name="Log").click()
        expect(view.get_by_role("region", name="Log")).to_contain_text("shown to its end")
        view.get_by_role("tab", name="Why").click()
        expect(view.get_by_role("tabpanel")).to_contain_text("onerror")

    # in a notebook that came from elsewhere, under the card of the same job
    saved = lab.ask(f"qhub_ext/jobs/{active.id}/outputs")["outputs"]
    lab.notebook("untrusted.ipynb", "%%qpu", outputs={0: [lab.card(active), *saved]})
    desk.open_notebook("untrusted.ipynb")
    expect(desk.card).to_have_attribute("data-standing", "live")
    expect(desk.card).to_contain_text("onerror")
    expect(page.locator(".jp-OutputArea").first).to_contain_text("shown to its end")
    expect(page.locator(".jp-OutputArea script, .jp-OutputArea iframe, .jp-OutputArea [onerror]")).to_have_count(0)
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets[0].model.trusted") is False
    expect(page).to_have_title(re.compile(r"untrusted\.ipynb"))


def test_the_card_of_a_strangers_notebook_shows_and_runs_nothing(harmless: Desk) -> None:
    desk = harmless
    cards = [hostile_card(job_id, HOSTILE["an image"]) for job_id in ("01kayt4w2-7qm3xd", "not an id")]
    path = desk.lab.notebook("stranger.ipynb", "1", "2", outputs={0: cards[:1], 1: cards[1:]})
    desk.expect_errors("404")  # asked once whether it is mine, and the browser notes the answer
    desk.open_notebook("stranger.ipynb")
    expect(desk.card).to_have_count(1)
    expect(desk.card).to_contain_text("Not one of your jobs")
    expect(desk.card).to_contain_text(HOSTILE["an image"])
    expect(desk.page.locator(".jp-OutputArea img")).to_have_count(0)
    before = json.loads(path.read_text())
    desk.run("docmanager:save")
    assert [cell["outputs"] for cell in json.loads(path.read_text())["cells"]] == [
        c["outputs"] for c in before["cells"]
    ]


READ_ONLY = """
from jupyter_server.auth.authorizer import Authorizer

class ReadOnly(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return action == "read"

c.ServerApp.authorizer_class = ReadOnly
"""

POST = """async ([paths, body]) => {
  const { baseUrl } = window.jupyterapp.serviceManager.serverSettings;
  const headers = {
    'Content-Type': 'application/json',
    'X-XSRFToken': document.cookie.match(/\\b_xsrf=([^;]*)/)[1]
  };
  return Promise.all(paths.map(async path =>
    [path, (await fetch(baseUrl + 'qhub_ext' + path, { method: 'POST', headers, body })).status]));
}"""


def every_action(described: dict[str, Any], job_id: str) -> list[str]:
    """The addresses that do something, by the server's own description; all of them are POST."""
    found = []
    for path, methods in described["paths"].items():
        assert set(methods) <= {"get", "post", "parameters"}, path
        if "post" in methods:
            filled = path.replace("{job}", job_id)
            verbs = ["cancel", "hold", "release", "requeue"] if "{verb}" in filled else [""]
            found += [filled.replace("{verb}", verb) for verb in verbs]
    return found


def test_who_may_only_read_sees_jobs_and_is_offered_and_granted_nothing_else(
    new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk], tmp_path: Path
) -> None:
    config = tmp_path / "read_only.py"
    config.write_text(READ_ONLY)
    lab = new_lab(options=(f"--config={config}",))
    desk = desk_at(lab)
    job = lab.submit("import time; time.sleep(600)", name="hands off", tier="local")
    desk.open()
    desk.show_jobs()
    expect(desk.row("hands off")).to_contain_text("running")
    expect(desk.sidebar.get_by_text("You may look at jobs here, but not act on them")).to_be_visible()
    expect(desk.row("hands off").get_by_role("button")).to_have_count(0)
    desk.expect_errors("403")
    actions = every_action(lab.ask("qhub_ext/openapi.json"), job.id)
    assert len(actions) >= 7
    answers = desk.page.evaluate(POST, [actions, "{}"])
    assert {status for _, status in answers} == {403}, answers
    assert lab.service.record(job.id).state == "running"
