"""Job cards in every state and all tabs of a job view, in light and dark, wide and narrow: checked by axe, and left as pictures.

What a state says is answered here in the server's place, since some of them (a silent
site, a lost job) cannot be had at the same moment.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import nbformat
from playwright.sync_api import Page, Route, expect

from qhub_ext.display.card import card_bundle, card_lines, card_metadata
from qhub_ext.job.identity import new_job_id, short_id
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from tests.browser.axe import violations
from tests.browser.desk import THEMES, Desk, Picture

WIDTHS = {"wide": 1280, "narrow": 640}
NOW = time.time()


def record(state: State, name: str, *, size: int | None = None, stale: bool = False, **facts: Any) -> JobRecord:
    spec = JobSpec(
        id=new_job_id(),
        name=name,
        tier="emulation",
        device="kingston",
        created_at=NOW - 400,
        owner="ada",
        shots=4000,
        time_s=600,
        size=size,
    )
    attempt = Attempt(state=state, queued_at=NOW - 399, **facts)
    done = None if size is None else size // 3
    return JobRecord(
        spec,
        state,
        (attempt,),
        submitted_at=NOW - 399,
        site_id="17",
        done=done,
        stale_since=NOW - 90 if stale else None,
    )


RAN: dict[str, Any] = {"running_at": NOW - 130, "ended_at": NOW - 38}
RUNS: dict[str, Any] = {"running_at": NOW - 72}
STATES: tuple[tuple[JobRecord, dict[str, Any]], ...] = (
    (
        record(State.QUEUED, "GHZ states of 5 to 12 qubits", reason="QOSMaxJobsPerUserLimit"),
        {
            "cause": "policy",
            "sentence": "Two of your jobs run, and the QOS 'normal' allows two at a time.",
            "audience": "you",
            "advice": "It starts when one of them has ended: 7qm3xd or 2ab9kk.",
        },
    ),
    (
        record(State.HELD, "parity of a ring"),
        {"cause": "user", "sentence": "It is held.", "audience": "you", "advice": "Release it."},
    ),
    (record(State.STARTING, "QAOA on 16 nodes", started_at=NOW - 4), {}),
    (
        record(State.RUNNING, "VQE for H2, 200 iterations", phase="device", phase_text="waiting at kingston", **RUNS),
        {
            "cause": "device",
            "sentence": "Its quantum task waits at the broker: a task of the profile production runs on kingston.",
            "audience": "device",
            "advice": "",
        },
    ),
    (record(State.RUNNING, "a sweep of theta", size=24, message="8 completed, 2 running, 14 queued", **RUNS), {}),
    (record(State.FINISHING, "random circuits", **RUNS), {}),
    (record(State.COMPLETED, "Bell pair", **RAN), {}),
    (
        record(State.FAILED, "Trotter steps", cause="code", message="NameError", **RAN),
        {
            "cause": "code",
            "sentence": "NameError: name 'thetas' is not defined (line 3 of the cell).",
            "audience": "you",
            "advice": "Did you mean 'theta'?",
        },
    ),
    (
        record(State.TIMED_OUT, "a long walk", cause="policy", **RAN),
        {
            "cause": "policy",
            "sentence": "It was stopped after its 10 min of wall time.",
            "audience": "you",
            "advice": "Ask for more with --time 20m.",
        },
    ),
    (record(State.CANCELLED, "not needed any more", cause="user", ended_at=NOW - 20), {}),
    (
        record(State.LOST, "on a node that died", cause="unknown", **RAN),
        {
            "cause": "unknown",
            "sentence": "Neither the site nor the job folder can say what became of it.",
            "audience": "site",
            "advice": "Run it again; if it happens twice, tell the site's operators its id 17.",
        },
    ),
    (record(State.QUEUED, "at a silent site", stale=True), {}),
)
STRANGER = record(State.COMPLETED, "from a colleague's notebook", **RAN)
LOG = {"output_type": "stream", "name": "stdout", "text": "".join(f"step {n}: -1.{1117 + n}\n" for n in range(60))}
ACTIONS = {
    State.QUEUED: ["cancel", "hold"],
    State.HELD: ["release", "cancel"],
    State.COMPLETED: ["rerun"],
    State.FAILED: ["rerun", "requeue"],
    State.TIMED_OUT: ["rerun", "requeue"],
    State.CANCELLED: ["rerun", "requeue"],
    State.LOST: ["rerun", "requeue"],
}


def answers(page: Page) -> None:
    """Answers for the jobs of STATES as the server would."""

    def answer(route: Route, body: Any) -> None:
        route.fulfill(status=200, content_type="application/json", body=json.dumps(body))

    def tell(shown: JobRecord, why: dict[str, Any]) -> Callable[[Route], None]:
        def handle(route: Route) -> None:
            path = route.request.url.partition(shown.id)[2].partition("?")[0]
            if path == "/explain":
                answer(route, why or {"cause": "", "sentence": "", "audience": "", "advice": ""})
            elif path == "/outputs":
                printed = [{**LOG, "text": "energy -1.1371 Ha\n"}] if shown.state.final else [LOG]
                answer(route, {"attempt": 1, "seq": 1, "final": shown.state.final, "outputs": printed})
            else:
                answer(
                    route,
                    shown.to_json()
                    | {
                        "short_id": short_id(shown.id),
                        "lines": card_lines(shown),
                        "folder": "/home/ada/jobs",
                        "requested": {},
                        "actions": ACTIONS.get(shown.state, ["cancel"]),
                    },
                )

        return handle

    for shown, why in STATES:
        page.route(f"**/qhub_ext/jobs/{shown.id}**", tell(shown, why))


def notebook_of(desk: Desk) -> None:
    """A cell with a card per state; of the last one the server knows nothing."""
    cells = []
    for shown in (*(state for state, _ in STATES), STRANGER):
        made = nbformat.v4.new_code_cell("%%qpu")
        home = card_metadata(shown.id) if shown.state.final else {}
        made.outputs = [
            nbformat.v4.new_output("display_data", data=card_bundle(replace(shown, as_of=NOW)), metadata=home)
        ]
        made.metadata["jupyter"] = {"source_hidden": True}
        cells.append(made)
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, desk.lab.work / "gallery.ipynb")


def test_a_card_in_each_state(desk: Desk, picture: Picture) -> None:
    desk.expect_errors("404")
    answers(desk.page)
    notebook_of(desk)
    desk.open_notebook("gallery.ipynb")
    desk.run("application:toggle-left-area")
    for theme in THEMES:
        desk.theme(theme)
        for width, pixels in WIDTHS.items():
            desk.page.set_viewport_size({"width": pixels, "height": 2700})
            expect(desk.card).to_have_count(len(STATES) + 1)
            expect(desk.page.locator(".qhub-Card[data-standing=live]")).to_have_count(len(STATES))
            expect(desk.card.last).to_have_attribute("data-standing", "stranger")
            expect(desk.card.locator(".qhub-Card-log")).to_be_visible()
            picture(f"cards-{theme}-{width}", desk.page.locator(".jp-NotebookPanel-notebook"))
        assert [line for card in desk.card.all() for line in violations(card)] == []


WORK = """
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(3)
circuit.h(0)
circuit.cx(0, 1)
circuit.cx(1, 2)
circuit.measure_all()
isa = generate_preset_pass_manager(1, backend=backend()).run(circuit)
for round in range(3):
    counts = Sampler().run([isa]).result()[0].data.meas.get_counts()
    print("\\x1b[32mround\\x1b[0m", round, len(counts), flush=True)
half = (n for n in range(2))
counts
"""
TABS = ("Outputs", "Log", "Timeline", "Why", "Code", "Names", "Calibration", "Runtime", "Attempts")
SAYS = {"Outputs": "round 2", "Log": "round 2", "Timeline": "3 quantum tasks", "Calibration": "Two-qubit error"}


def test_each_tab_of_a_job_view(desk: Desk, picture: Picture) -> None:
    job = desk.lab.submit(WORK, {"shift": 3}, name="three rounds of GHZ", tier="emulation", inputs=("shift",))
    job.wait(240)
    page = desk.open()
    desk.run("application:toggle-left-area")
    desk.run("qhub-ext:open-job", id=job.id)
    view = page.locator(".qhub-Job")
    panel = view.get_by_role("tabpanel")
    with page.expect_download() as download:
        view.get_by_role("link", name="Download the folder").click()
    with zipfile.ZipFile(download.value.path()) as folder:
        assert f"qhub-{short_id(job.id)}/spec.json" in folder.namelist()
    for theme in THEMES:
        desk.theme(theme)
        for tab in TABS:
            view.get_by_role("tab", name=tab, exact=True).click()
            expect(panel).not_to_contain_text("Loading")
            if tab in SAYS:
                expect(panel).to_contain_text(SAYS[tab])
            assert violations(view) == []
            for width, pixels in WIDTHS.items():
                page.set_viewport_size({"width": pixels, "height": 700})
                picture(f"job-{tab.lower()}-{theme}-{width}", view)
