"""What a person sees in a notebook: every line here runs in a real kernel, through the real site and runner."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from qhub_ext.display.card import MIME_TYPE
from qhub_ext.jobfolder.outputs import without_colours
from qhub_ext.tiers import catalog
from tests.front.conftest import Notebook, Place
from tests.waiting import wait_until

BELL = """
from qiskit import QuantumCircuit
bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
"""
SAMPLE = """
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend
isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(bell)
counts = Sampler(seed=7).run([isa]).result()[0].data.meas.get_counts()
counts
"""


def test_one_cell_runs_unchanged_in_the_kernel_and_on_two_tiers(notebook: Notebook) -> None:
    notebook.run(BELL)
    here = notebook.run(SAMPLE).plain
    assert "'00'" in here
    notebook.run(f"%%qpu --tier local,emulation --name bell --as both\n{SAMPLE}")
    shown = notebook.run("for job in both: job.wait(); job.show()").plain
    assert shown.count("'00'") == 2
    sizes = notebook.ask("[sum(job['counts'].values()) for job in both]")
    assert sizes == "[4096, 4096]"
    assert notebook.ask("[sorted(both[0]['counts']), len(both[1]['counts'])]") == "[['00', '11'], 4]"
    # the ideal tier gives the same counts in the kernel and in the job, since the seed is the same
    assert notebook.ask("both[0]['counts'] == counts") == "True"


def test_the_prompt_comes_back_at_once_with_a_card(notebook: Notebook, place: Place) -> None:
    told = notebook.run(f"%%qpu --name quick --as quick\n{place.until_told('wake')}print('slept')")
    assert set(told.shown[0]) == {"text/plain", "text/html", MIME_TYPE}
    assert told.shown[0][MIME_TYPE]["state"] in ("queued", "starting", "running")
    assert "quick" in told.shown[0]["text/html"]
    place.tell("wake")
    assert notebook.ask("quick.result() is not None and quick.state") == "'completed'"
    assert notebook.ask("quick.logs()") == r"'slept\n'"


def test_the_first_card_of_a_job_says_that_its_outputs_belong_under_it(notebook: Notebook) -> None:
    told = notebook.run("%%qpu --tier local,emulation --as both\nprint('ran')")
    ids = [card[MIME_TYPE]["id"] for card in told.shown]
    assert len(set(ids)) == 2
    assert told.metadata == [{"qhub": {"job": job_id, "home": True}} for job_id in ids]
    assert notebook.run("both").metadata == [{}, {}]
    assert notebook.run("both[0]").metadata == [{}]
    waited = notebook.run("%%qpu --wait\nprint('ran')")  # its outputs are here already
    assert "ran" in waited.text
    assert waited.metadata[-1] == {}


def test_outputs_come_back_as_a_kernel_would_show_them(notebook: Notebook) -> None:
    told = notebook.run(
        """%%qpu --wait --as rich
import asyncio, os, sys
import pandas as pd
import matplotlib.pyplot as plt
print("to stdout"); print("to stderr", file=sys.stderr)
!echo from the shell
await asyncio.sleep(0)
plt.plot([1, 2]); plt.title("flushed by itself")
pd.DataFrame({"a": [1, 2]})
"""
    )
    kinds = [sorted(d) for d in told.shown]
    assert any("image/png" in k for k in kinds)
    assert any("text/html" in k and "dataframe" in str(d) for k, d in zip(kinds, told.shown, strict=True))
    for text in ("to stdout", "to stderr", "from the shell"):
        assert text in told.text


def test_functions_and_classes_of_the_notebook_travel_and_see_the_job_s_own_names(notebook: Notebook) -> None:
    notebook.run(
        """
scale = 2
class Point:
    def __init__(self, x): self.x = x
    def grown(self): return Point(self.x * scale)
def f(x): return g(x) + 1
def g(x): return x * scale
point = Point(10)
"""
    )
    notebook.run("%%qpu --wait --as travelled\nscale = 100\nvalue = f(10)\ngrown = point.grown()")
    assert notebook.ask("value, type(grown) is Point, grown.x") == "(1001, True, 1000)"
    # the notebook's own `scale` did not change, and the job's did come back, as the cell made it
    assert notebook.ask("travelled['scale']") == "100"


def test_what_analysis_cannot_see_goes_along_by_in_and_only_what_out_names_comes_back(notebook: Notebook) -> None:
    notebook.run("unseen = 5")
    told = notebook.run("%%qpu --wait --in unseen --out y --as named\ny = eval('unseen') + 1\nz = 2")
    assert "uses `eval`" in told.text
    assert "In the notebook now: y." in told.text
    assert notebook.ask("y, list(named.result()), 'z' in globals()") == "(6, ['y'], False)"


def test_a_value_that_changed_meanwhile_is_never_overwritten(notebook: Notebook) -> None:
    notebook.run("total = 1\nseen = [1]")
    notebook.run("%%qpu --as adding\ntotal = total + 41\nseen = seen + [2]\nfresh = 'new'")
    notebook.run("adding.wait()")
    notebook.run("total = 'mine'")
    told = notebook.run("%qpu fetch {adding.id} total", ok=False)
    assert "'total' changed in the notebook since" in told.text
    assert notebook.ask("total, seen, 'fresh' in globals()") == "('mine', [1], False)"
    told = notebook.run("%qpu fetch {adding.id}")
    assert "'total' changed in the notebook since" in told.plain
    assert notebook.ask("total, seen, fresh") == "('mine', [1, 2], 'new')"
    notebook.run("%qpu fetch {adding.id} total=theirs seen fresh")
    assert notebook.ask("total, theirs, seen, fresh") == "('mine', 42, [1, 2], 'new')"
    notebook.run("%qpu fetch {adding.id} total --force")
    assert notebook.ask("total") == "42"


def test_a_value_changed_in_place_counts_as_changed(notebook: Notebook) -> None:
    notebook.run("basket = [1]")
    notebook.run("%%qpu --as filling\nbasket.append(2)")
    notebook.run("filling.wait(); basket.append('mine')")
    assert "'basket' changed in the notebook" in notebook.run("%qpu fetch {filling.id} basket", ok=False).text
    assert notebook.ask("basket, filling['basket']") == "([1, 'mine'], [1, 2])"


def test_a_failing_cell_says_which_line_and_keeps_what_it_made(notebook: Notebook) -> None:
    told = notebook.run("%%qpu --wait --as broken --name 'a b|c\"<x>'\nkept = 5\nprint('before')\n1 / 0", ok=False)
    assert "before" in told.text
    assert "ZeroDivisionError: division by zero (line 3 of the cell)" in told.text
    assert "(cause: code)" in told.text
    assert notebook.ask("broken.state, broken['kept'], broken.record.attempt.cause") == "('failed', 5, 'code')"
    card = notebook.run("broken").shown[0]
    assert "a b|c&quot;&lt;x&gt;" in card["text/html"]
    assert "<x>" not in card["text/html"]


def test_a_sweep_is_one_array_whose_values_come_back_in_order(notebook: Notebook) -> None:
    notebook.run("offsets = [10, 20]")
    notebook.run("%%qpu --as swept --sweep x=0:1:3 --sweep offset=offsets --out y\ny = x + offset")
    notebook.run("swept.wait()")
    assert notebook.ask("swept['y']") == "[10.0, 20.0, 10.5, 20.5, 11.0, 21.0]"
    assert notebook.ask("swept[1].record.spec.element.values") == "{'x': 0.0, 'offset': 20}"
    assert "6/6" in notebook.run("%qpu jobs -n 1").plain
    assert "there is no element 9" in notebook.run("swept[9]", ok=False).text


def test_a_job_starts_after_another_and_hold_release_requeue_cancel_do_what_they_say(
    notebook: Notebook, place: Place
) -> None:
    notebook.run(f"%%qpu --as first --name one\n{place.until_told('first')}a = 1")
    notebook.run("%%qpu --as second --after {first.id}\nb = 2")
    notebook.run("%%qpu --as held --after first --name held\nc = 3")
    assert ": held." in notebook.run("%qpu hold held").plain
    wait_until(lambda: notebook.ask("held.state") == "'held'", what="the hold")
    place.tell("first")
    notebook.run("second.wait()")
    assert notebook.ask("first.record.attempt.ended_at <= second.record.attempt.running_at") == "True"
    assert notebook.ask("held.state") == "'held'"
    assert ": released." in notebook.run("%qpu release held").plain
    assert notebook.ask("held.wait().state.value, held['c']") == "('completed', 3)"
    notebook.run("%%qpu --as endless --name endless\nimport time\nfor _ in range(6000): time.sleep(0.1)")
    assert "cancel is asked for" in notebook.run("%qpu cancel endless").plain
    assert notebook.ask("endless.wait().state.value") == "'cancelled'"
    notebook.run("%qpu requeue {first.id}")
    assert notebook.ask("first.wait().attempts[-1].number") == "2"
    assert notebook.ask("first.state") == "'completed'"


@pytest.mark.parametrize(
    ("line", "cell", "said"),
    [
        ("--tier quantum", "1", "There is no tier 'quantum'. Did you mean 'qpu'?"),
        ("--device kingstn", "1", "There is no device 'kingstn'. Did you mean 'kingston'"),
        ("--shot 4", "1", "There is no option '--shot'. Did you mean '--shots'"),
        ("--shots many", "1", "--shots 'many' is not accepted. It accepts a whole number from 1 on."),
        ("--shots 10000000", "1", "is more than kingston takes in one run: 100000"),
        ("--time soon", "1", "--time 'soon'"),
        ("--time 99d", "1", "this site allows 24 h at most"),
        ("--cpus 64", "1", "asks for 64 CPUs and the embedded site of this computer has 2; nothing was queued"),
        ("--in nothere", "1", "--in names 'nothere', which the notebook does not have"),
        ("--out never_made", "1", "--out names 'never_made', which the cell never binds"),
        ("--without nothere", "1", "--without names 'nothere', which the notebook does not have"),
        ("--as x", "x = 1", "--as x would hold the Job, but the cell binds 'x' itself"),
        ("--memory 500G", "1", "--memory asks for"),
        ("--after nosuch", "1", "There is no job 'nosuch'."),
        (
            "--tier qpu --site slurm",
            "1",
            "The tier 'qpu' needs a quantum resource that stands for kingston, and this site offers none",
        ),
        ("--site moon", "1", "There is no site 'moon'."),
        ("--name ''", "1", "--name is empty"),
        ("--sweep x=", "1", "--sweep 'x=' has no values"),
        ("extra", "1", "'extra' belongs to no option"),
        ("--name 'open", "1", "The line cannot be read: no closing quotation"),
        ("", "print(no_such_name)", "The cell reads `no_such_name`, which neither the notebook nor the cell has"),
        ("", "x = (1", "The cell has a syntax error on line 1, column 5: '(' was never closed"),
        ("", "%%qpu --shots 5\n1", "The cell has %%qpu twice, and one of them makes the job: nothing was submitted."),
        ("", "# what was here", "The cell has comments only: there is nothing to submit."),
        ("", "print(gen)", "`gen` is a generator"),
        ("", "print(lock, door)", "2 values cannot travel with the cell"),
        ("", "print(huge)", "`huge`"),
    ],
)
def test_bad_input_is_one_clear_sentence_and_nothing_is_submitted(
    notebook: Notebook, place: Place, line: str, cell: str, said: str
) -> None:
    notebook.run(
        "import threading, numpy as np\ngen = (i for i in [])\nlock = threading.Lock()\ndoor = threading.Lock()\n"
        "huge = np.zeros((300, 1024, 1024), dtype='u1')"
    )
    before = place.service.shelf.ids()
    told = notebook.run(f"%%qpu {line}\n{cell}", ok=False)
    assert said in told.text, told.text
    assert "Traceback" not in told.text
    assert len(told.text.strip().splitlines()) == 1
    assert place.service.shelf.ids() == before
    assert not list(place.settings.shelf.glob(".new-*"))


@pytest.mark.parametrize("above", ["x = 1", "# what this cell is for"])
def test_a_cell_with_something_above_its_magic_says_what_is_wrong_and_is_not_submitted(
    notebook: Notebook, place: Place, above: str
) -> None:
    before = place.service.shelf.ids()
    told = notebook.run(f"{above}\n%%qpu --tier local\nprint(1)", ok=False)
    assert "%%qpu has to be the first line of its cell, before comments too: this cell was not submitted." in told.text
    assert place.service.shelf.ids() == before


def test_an_option_of_a_cell_behind_the_line_magic_is_told_where_it_belongs(notebook: Notebook) -> None:
    told = notebook.run("%qpu --tier local", ok=False).text
    assert "It is one of `%%qpu` at the top of a cell, and of `%qpu use`: `%qpu use --tier ...`." in told


def test_help_shows_the_page_of_a_verb_and_nothing_behind_it(notebook: Notebook) -> None:
    for line in ("%qpu help jobs", "%qpu jobs --help"):
        shown = notebook.run(line)
        assert shown.text.startswith("Usage: %qpu jobs"), line
        assert shown.plain.strip().endswith("Show this message and exit."), line


def test_a_job_without_outputs_says_so(notebook: Notebook) -> None:
    notebook.run("%%qpu --tier local --as silent\nquiet = 1")
    assert "has shown nothing" in notebook.run("silent.wait()\n%qpu outputs silent").plain


def test_a_circuit_that_is_wider_than_the_device_is_told_at_once(notebook: Notebook) -> None:
    notebook.run("from qiskit import QuantumCircuit\nwide = QuantumCircuit(157)")
    assert "Note: `wide` has 157 qubits, kingston has 156." in notebook.run("%%qpu --dry-run\nwide").text


def test_a_job_explains_itself_and_a_crash_report_does_not_fill_its_card(notebook: Notebook) -> None:
    notebook.run("%%qpu --as crashed\nimport ctypes\nctypes.string_at(0)")
    notebook.run("crashed.wait()")
    assert "crashed with SIGSEGV" in notebook.run("print(crashed.explain())").text
    assert notebook.ask("crashed.explain().cause") == "'code'"
    card = notebook.run("print(crashed)").text
    assert "note" in card
    assert len(card) < 1500


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(notebook: Notebook, place: Place) -> None:
    notebook.run(BELL)
    before = place.service.shelf.ids()
    told = notebook.run(f"%%qpu --dry-run --tier emulation --shots 100\n{SAMPLE}").plain
    for words in (
        "Nothing was submitted",
        "QuantumCircuit",
        "bell",
        "comes back: counts, isa",
        "`bell` transpiled at level 1 is expected to pass without an error on kingston in 0.",
        "s of QPU for 100 shots",
        "exec ",
        "qhub_ext.runner",
    ):
        assert words in told
    assert place.service.shelf.ids() == before


def test_a_device_may_be_asked_for_by_what_it_should_be_like(notebook: Notebook) -> None:
    told = notebook.run('%%qpu --tier local --device "qubits<=5, least busy" --as small\n1').plain
    assert "The device is" in told
    assert "that fit 'qubits<=5, least busy'" in told
    device = notebook.ask("small.record.spec.device").strip("'")
    assert catalog.bounds_of(device).qubits <= 5
    assert notebook.ask("small.wait().state.value") == "'completed'"


def test_what_use_chooses_holds_for_the_notebook_until_a_cell_says_otherwise(
    new_notebook: Callable[[], Notebook],
) -> None:
    notebook = new_notebook()
    notebook.run("%qpu use emulation --device fez --shots 100")
    notebook.run("%%qpu --as one\n1")
    notebook.run("%%qpu --tier local --as two\n1")
    spec = "[(j.record.spec.tier, j.record.spec.device, j.record.spec.shots) for j in (one, two)]"
    assert notebook.ask(spec) == "[('emulation', 'fez', 100), ('local', 'fez', 100)]"
    assert "tier emulation, device fez" in notebook.run("%qpu").plain


def test_the_help_page_names_every_option_and_verb(notebook: Notebook) -> None:
    import click

    import qhub_ext.cli  # noqa: F401 - with it come all verbs
    from qhub_ext.capture.options import OPTIONS
    from qhub_ext.verbs import verbs

    page = notebook.run(
        "from IPython.core.getipython import get_ipython as g\nprint(g().find_line_magic('qpu').__doc__)"
    ).text
    for option in OPTIONS:
        assert option.flag in page
    for verb in verbs.list_commands(click.Context(verbs)):
        if verb not in ("run", "completion", "tutorials", "virtual-qpu"):  # a terminal's
            assert verb in page
    assert "Submit a cell as a batch job" in notebook.run("%qpu --help").text


def test_a_question_mark_shows_the_help_page(notebook: Notebook) -> None:
    (page,) = notebook.reply(notebook.send("%%qpu?"))["payload"]
    text = without_colours(page["data"]["text/plain"])
    for words in ("Submit a cell as a batch job", "--shots", "--after", "%qpu VERB"):
        assert words in text


def test_logs_follow_a_job_to_its_end(new_notebook: Callable[[], Notebook], place: Place) -> None:
    notebook = new_notebook()
    notebook.run(f"%%qpu --as followed\nprint('one', flush=True)\n{place.until_told('follow')}print('two')")
    message, text, idle = notebook.send("%qpu logs {followed.id} --follow"), "", False
    while not idle:
        told = notebook.next_message(120)
        assert told is not None, text
        if told["parent_header"].get("msg_id") == message:
            text += told["content"].get("text", "")
            idle = told["content"].get("execution_state") == "idle"
        if "one" in text:  # it is read while the job runs
            place.tell("follow")
    assert text == "one\ntwo\n"


def test_verbs_of_the_site_answer_in_the_notebook(notebook: Notebook) -> None:
    assert "✓ ok" in notebook.run("%qpu doctor").plain
    assert "2026-04" in notebook.run("%qpu devices kingston").plain
    assert "text/html" in notebook.run("%qpu devices").shown[0]
    assert notebook.run("%qpu queue").shown
    notebook.run("%%qpu --wait --as said\nprint('aloud')")
    assert notebook.run("%qpu logs said").text == "aloud\n"


def test_a_variable_that_sets_nothing_is_told_once(place: Place) -> None:
    notebook = Notebook(place, QHUB_TEIR="local")
    try:
        notebook.send("%load_ext qhub_ext")  # it says so a moment after the cell has ended
        told = ""
        while "QHUB_TEIR" not in told:
            message = notebook.next_message(120)
            assert message is not None, told
            told += message["content"].get("text", "")
        assert "The variable QHUB_TEIR sets nothing: there is no such setting. Did you mean QHUB_TIER?" in told
        assert "QHUB_TEIR" not in notebook.run("%qpu").text
    finally:
        notebook.close()


def test_a_refusal_of_the_tier_is_short_and_points_at_the_user_s_line(notebook: Notebook) -> None:
    told = notebook.run(
        "from qiskit import QuantumCircuit\nfrom qhub_ext import Sampler\nSampler().run([QuantumCircuit(2)])", ok=False
    )
    assert "PreflightError" in told.text
    assert "preflight.py" not in told.text
    assert told.text.count("File ") + told.text.count("Cell ") <= 3


def test_interrupting_a_wait_leaves_the_job_running(new_notebook: Callable[[], Notebook], place: Place) -> None:
    notebook = new_notebook()
    message = notebook.send("%%qpu --wait --name long --as long\nimport time\nfor i in range(600): time.sleep(0.1)")
    service = place.service
    wait_until(lambda: [s for s in service.jobs(text="long") if s.state == "running"], what="the job")
    notebook.interrupt()
    assert notebook.reply(message)["status"] == "ok"
    assert service.job("long").state == "running"
    notebook.run("long.cancel()")
    assert service.job("long").wait(120).state == "cancelled"


def test_a_job_outlives_the_kernel_that_submitted_it(new_notebook: Callable[[], Notebook], place: Place) -> None:
    notebook = new_notebook()
    notebook.run(f"%%qpu --name outliving --as job\n{place.until_told('killed')}answer = 42\nprint('done')")
    notebook.kill()
    place.tell("killed")
    another = new_notebook()
    another.run("job = %qpu job outliving")
    assert another.ask("job.result()['answer']") == "42"
    told = another.run("%qpu outputs outliving")
    assert "done" in told.text
    # a name of the new kernel is not the one that the job knew
    another.run("answer = 'mine'")
    assert "'answer' exists, and this kernel does not know" in another.run("%qpu fetch outliving answer", ok=False).text
    another.run("answer = 42")
    another.run("%qpu fetch outliving answer")  # the same value is in nobody's way


def test_a_job_may_be_fetched_again_and_waited_for_again(notebook: Notebook) -> None:
    for _ in range(2):
        notebook.run("%%qpu --wait --as again\nfrom qhub_ext import backend\ntwice = [1, 2]\nunable = (i for i in [])")
    for _ in range(2):
        notebook.run("%qpu fetch {again.id} twice")
    told = notebook.run("%%qpu --wait\nunable = (i for i in [])")
    assert "`unable` did not come back" in told.text


def test_an_array_s_result_is_what_indexing_it_gives(notebook: Notebook) -> None:
    notebook.run("%%qpu --as cosines --sweep t=0:1:3\nval = t * 2")
    assert notebook.ask("cosines.result()['val'], cosines['val'], list(cosines.result())") == (
        "([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], ['val'])"
    )


def test_what_a_job_left_unchanged_does_not_come_back_and_is_still_known(notebook: Notebook) -> None:
    notebook.run("ledger = [1, 2, 3]\nkept = ledger")
    notebook.run("%%qpu --wait --as looking\ntotal = sum(ledger)\nledger.copy()")
    assert notebook.ask("ledger is kept, looking['ledger'], list(looking.result())") == "(True, [1, 2, 3], ['total'])"


def test_what_is_not_there_yet_says_so(notebook: Notebook, place: Place) -> None:
    notebook.run(f"%%qpu --as early\n{place.until_told('early')}late = 1")
    assert "has not come back yet" in notebook.run("early['late']", ok=False).text
    assert "not come back yet" in notebook.run("%qpu fetch {early.id}", ok=False).text
    place.tell("early")
    notebook.run("early.wait()")


def test_two_kernels_and_the_command_share_one_queue(
    notebook: Notebook, new_notebook: Callable[[], Notebook], place: Place
) -> None:
    other = new_notebook()
    sent = [
        (one, one.send(f"%%qpu --name 'from {name}' --as mine\n{place.until_told('both')}value = {name!r}"))
        for one, name in ((notebook, "one"), (other, "two"))
    ]
    for one, message in sent:  # they were typed at the same moment
        assert one.reply(message)["status"] == "ok"
    for verb in ("queue", "jobs"):
        names = [entry["name"] for entry in json.loads(place.command(verb, "--json"))]
        assert (names.count("from one"), names.count("from two")) == (1, 1), verb
    place.tell("both")
    assert [one.ask("mine.result()['value']") for one in (notebook, other)] == ["'one'", "'two'"]


def test_plots_and_widgets_of_a_job_are_shown_in_the_notebook(notebook: Notebook) -> None:
    told = notebook.run(
        """%%qpu --wait --as drawn
import ipywidgets
import plotly.graph_objects as go
from IPython.display import HTML, display
display(HTML("<b>bold</b>"))
go.Figure(go.Bar(y=[1, 2])).show()
ipywidgets.IntSlider(value=3)
"""
    )
    kinds = {kind for bundle in told.shown for kind in bundle}
    assert {"text/html", "application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json"} <= kinds
    state = notebook.ask("__import__('nbformat').read(drawn.folder.latest_attempt().notebook, 4).metadata['widgets']")
    assert "IntSliderModel" in state


def test_magics_inside_a_job_work_as_they_do_in_a_notebook(notebook: Notebook) -> None:
    told = notebook.run("%%qpu --wait --as timed\nn = 10\n%timeit -n1 -r1 sum(range(n))\nx = !echo {n}\nprint(x)")
    assert "per loop" in told.text
    assert "['10']" in told.text
    told = notebook.run("%%qpu --wait\n%%capture held\nprint('caught')", ok=None)
    assert "caught" not in told.text


def test_a_question_inside_a_job_does_nothing_and_says_so(notebook: Notebook) -> None:
    told = notebook.run("%%qpu --wait --as inside\n%qpu use emulation\nprint('went on')")
    assert "`%qpu use emulation` does nothing here: this runs inside job" in told.text
    assert "went on" in told.text


def test_a_variable_that_holds_a_job_names_it(notebook: Notebook) -> None:
    notebook.run("%%qpu --as held_job\n1 + 1")
    told = notebook.run("%%qpu --after held_job --as later_job\n2 + 2")
    assert "There is no job" not in told.text
    notebook.run("later_job.result()")
    assert "completed" in notebook.run("%qpu explain held_job").shown[0]["text/plain"]
    twice = notebook.run("%qpu compare held_job held_job", ok=False)
    assert "one job twice" in twice.text
