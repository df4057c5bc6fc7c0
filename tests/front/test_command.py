"""`qhub` in a terminal: the same words as in the notebook, exit codes that a script can use, JSON for facts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

from qhub_ext.errors import UserError
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service.jobs import read_source
from qhub_ext.verbs import verbs
from tests.front.conftest import Place, set_up_place
from tests.waiting import wait_until


def script(place: Place, name: str, text: str) -> str:
    path = place.path / name
    path.write_text(text)
    return str(path)


BELL = """
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(2)
circuit.h(0); circuit.cx(0, 1); circuit.measure_all()
counts = Sampler().run([transpile(circuit, backend(), seed_transpiler=1)]).result()[0].data.meas.get_counts()
print(sum(counts.values()))
"""


@pytest.mark.parametrize("tier", ["local", "emulation"])
def test_a_script_runs_on_both_tiers_and_tells_its_facts_as_json(place: Place, tier: str) -> None:
    file = script(place, "bell.py", BELL)
    facts = json.loads(place.command("run", file, "--tier", tier, "--shots", "500", "--wait", "--json"))
    assert (facts["state"], facts["tier"], facts["device"], facts["name"]) == ("completed", tier, "kingston", "bell.py")
    assert facts["variables"] == ["circuit", "counts"]
    assert facts["running_s"] > 0
    assert place.command("logs", facts["short_id"]) == "500\n"
    fetched = json.loads(place.command("fetch", facts["id"], "counts", "--json"))
    assert sum(fetched["counts"].values()) == 500


def test_one_script_goes_to_several_tiers_at_once(place: Place) -> None:
    file = script(place, "bell2.py", BELL)
    facts = json.loads(place.command("run", file, "--tier", "local,emulation", "--shots", "500", "--wait", "--json"))
    assert [(f["tier"], f["state"]) for f in facts] == [("local", "completed"), ("emulation", "completed")]


def test_counts_of_two_jobs_stand_side_by_side_with_what_the_shots_explain(place: Place) -> None:
    one = script(place, "one.py", "counts = {'00': 510, '11': 490}")
    other = script(place, "other.py", "counts = {'00': 900, '11': 100}\nmore = {'0': 1}")
    ids = [json.loads(place.command("run", file, "--wait", "--json"))["id"] for file in (one, one, other)]
    told = place.command("compare", *ids, "--name", "counts")
    assert "51.00% ± 1.58%" in told
    verdicts = [line.rpartition(": ")[2] for line in told.splitlines() if "Hellinger" in line]
    assert verdicts == ["the shots explain it.", "the shots do not explain it.", "the shots do not explain it."]
    facts = json.loads(place.command("compare", *ids[:2], "--json"))
    assert facts["differences"][0]["total_variation"] == 0
    # which of two is meant, and what is no counts, is said
    place.command("compare", ids[0], ids[2], code=2)
    place.command("compare", ids[0], code=2)
    place.command("compare", ids[0], ids[1], "--name", "nosuch", code=2)


LAYERS = BELL.replace(
    "circuit.measure_all()",
    """
for _ in range(60):  # deep enough that errors are seen
    circuit.cx(0, 1)
    circuit.barrier()
circuit.measure_all()""",
)


@pytest.mark.slow
def test_one_script_on_three_tiers_is_compared_side_by_side(tmp_path_factory: pytest.TempPathFactory) -> None:
    with set_up_place(tmp_path_factory.mktemp("tiers"), QHUB_QPU_VIRTUAL_SPEED="1000") as place:
        file = script(place, "layers.py", LAYERS)
        tiers = ["local", "emulation", "qpu"]
        words = ["--tier", ",".join(tiers), "--shots", "4000", "--wait", "--json"]
        jobs = json.loads(place.command("run", file, *words))
        assert [(one["tier"], one["state"]) for one in jobs] == [(tier, "completed") for tier in tiers]
        ids = [one["id"] for one in jobs]
        told = place.command("compare", *ids)
        facts = json.loads(place.command("compare", *ids, "--json"))
        titles = list(facts["counts"])
        assert [title.split()[0] for title in titles] == tiers
        heading = next(line for line in told.splitlines() if line.startswith("outcome"))
        assert all(title in heading for title in titles)
        pairs = {tuple(word.split()[0] for word in one["jobs"]): one for one in facts["differences"]}
        assert set(pairs) == {("local", "emulation"), ("local", "qpu"), ("emulation", "qpu")}
        for tier in ("emulation", "qpu"):
            assert not pairs["local", tier]["explained"], "noise is not what shots explain"
            assert pairs["local", tier]["total_variation"] > pairs["local", tier]["noise"]
        assert pairs["emulation", "qpu"]["total_variation"] < pairs["local", "qpu"]["total_variation"]
        assert 0 < pairs["emulation", "qpu"]["hellinger"] < 1
        # what is held against what, before it is sent
        told = place.command("run", file, "--tier", "emulation", "--shots", "100", "--dry-run")
        assert f"Tried on qpu by job {jobs[2]['short_id']}" in told
        assert "crosstalk, leakage and drift are left out" in told
        assert "100 shots and not 4,000 shots" in told
        assert "kingston: its calibration of 2026-" in told
        # a device of atoms stands beside, with what it tells of its errors
        asked = place.command("calibration", "fresnel", "--refresh")
        assert "of FRESNEL, 80 qubits" in asked
        assert "not read: the limits of 1 channel:" in asked
        assert "3.00e-02" in place.command("calibration", "fresnel")


def test_resources_of_the_site_are_listed_with_what_is_wrong(place: Place) -> None:
    assert json.loads(place.command("resources", "--json")) == []
    assert "virtual QPU stands in" in place.command("resources")


def test_devices_of_every_type_are_listed_with_what_they_take(place: Place) -> None:
    listed = {one["name"]: one for one in json.loads(place.command("devices", "--json"))}
    takes = {name: listed[name]["takes"] for name in ("kingston", "garnet", "FRESNEL")}
    assert takes == {
        "kingston": "Qiskit primitives",
        "garnet": "Qiskit circuits, as IQM's",
        "FRESNEL": "Pulser sequences",
    }
    assert listed["kingston"]["medians"]["two_qubit_error"] > 0
    assert "it was never asked" in place.command("calibration", "fresnel", code=2)
    assert "pulser_device()" in place.command("devices", "fresnel", code=2)


def test_a_script_has_its_arguments_and_its_own_folder(place: Place) -> None:
    file = script(place, "argued.py", "import sys, os\nprint(sys.argv[1:], os.path.basename(__file__), __name__)")
    place.command("run", file, "--wait", "--", "--alpha", "b c")
    assert place.command("logs", "-1") == "['--alpha', 'b c'] argued.py __main__\n"


def test_a_negative_number_is_a_job_only_where_a_verb_takes_one(place: Place) -> None:
    file = script(place, "negative.py", "import sys\nprint(sys.argv[1:])")
    place.command("run", file, "--wait", "--", "-1", "--by", "-2")
    assert place.command("logs", "-1") == "['-1', '--by', '-2']\n"
    assert json.loads(place.command("job", "--json", "-1"))["name"] == "negative.py"
    assert "--shots '-1' is not accepted" in place.command("run", file, "--shots", "-1", code=2)
    assert "-1 is not in the range" in place.command("jobs", "-n", "-1", code=2)
    assert "'-5'" in place.command("run", file, "-5", code=2)


def test_a_script_that_leaves_with_a_code_or_a_sentence_says_no_more_than_under_python(place: Place) -> None:
    file = script(place, "leaving.py", "import sys\nprint('done')\nsys.exit(3)")
    place.command("run", file, "--wait", code=1)
    assert place.command("logs", "-1") == "done\n"
    file = script(place, "refusing.py", "import sys\nprint('done')\nsys.exit('No shots are left.')")
    place.command("run", file, "--wait", code=1)
    assert place.command("logs", "-1") == "done\nNo shots are left.\n"
    assert "exited with code 1, saying: No shots are left (line 3 of refusing.py)." in place.command("explain", "-1")


def test_waiting_for_a_script_shows_what_it_printed(place: Place) -> None:
    file = script(place, "loud.py", "print('said aloud')\n1/0")
    told = place.command("run", file, "--wait", code=1)
    assert "said aloud" in told
    assert "ZeroDivisionError" in told
    assert "\x1b[" not in told


def test_a_filter_without_a_match_says_so(place: Place) -> None:
    assert place.command("jobs", "zzzzzz") == "No job matches.\n"


def test_tables_give_way_to_a_narrow_terminal() -> None:
    from qhub_ext.display.tables import Table

    table = Table(("a", "b"), [("x" * 30, "y" * 100), ("short", "short")])
    assert max(map(len, table.to_text(80).splitlines())) <= 80
    assert max(map(len, table.to_text().splitlines())) == 132


def test_where_a_terminal_is_too_narrow_for_a_table_its_rows_stand_one_under_the_other() -> None:
    from qhub_ext.display.tables import Table

    rows = [("7qm3xd", "completed", "a reason of more than a line " * 2), ("h4mmt1", "running", "")]
    table = Table(("job", "state", "because"), rows, title="Your jobs", footer="All of them.")
    told = table.to_text(20)
    assert max(map(len, told.splitlines())) <= 20
    assert told.splitlines()[:4] == ["Your jobs", "", "job      7qm3xd", "state    completed"]
    assert told.endswith("job      h4mmt1\nstate    running\n\nAll of them.")
    assert "a reason of" in told
    assert "…" not in told


def test_exit_codes_tell_how_it_went(place: Place) -> None:
    failing = script(place, "failing.py", "raise SystemExit(3)")
    broken = script(place, "broken.py", "1/0")
    slow = script(place, "slow.py", "import time\ntime.sleep(600)")
    place.command("run", broken, "--wait", code=1)
    assert place.command("run", failing, "--wait", code=None)
    place.command("run", slow, "--time", "1s", "--wait", code=124)
    assert "timed_out" in place.command("job", "-1", "--json")
    explained = json.loads(place.command("explain", "slow.py", "--json"))  # a name with a dot is no element of an array
    assert explained["cause"] == "resources"  # and not the interrupt in the cell
    place.command("job", "nosuch", code=2)
    place.command("run", slow, "--tier", "quantum", code=2)
    place.command("run", "/nonexistent.py", code=2)
    place.command("jbos", code=2)
    place.command("jobs", "--stat", code=2)


@pytest.mark.parametrize("verb", ["jobs", "queue", "devices", "doctor", ""])
def test_verbs_that_print_facts_print_them_as_json_too(place: Place, verb: str) -> None:
    if verb:
        assert json.loads(place.command(verb, "--json", code=None)) is not None
    assert place.command(*([verb] if verb else []), code=None)


def test_every_verb_has_a_sentence_of_help_and_is_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    import qhub_ext.cli  # noqa: F401 - adds `run` and `completion`

    context = click.Context(verbs)
    for name in verbs.list_commands(context):
        command = verbs.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(), name
        assert f"`{name}" in guide, name


def test_logs_are_followed_while_the_job_runs_until_it_ends(place: Place) -> None:
    file = script(
        place, "ticking.py", "import time\nfor i in range(3):\n    print('tick', i, flush=True)\n    time.sleep(0.3)"
    )
    place.command("run", file)
    done = subprocess.run(
        [sys.executable, "-m", "qhub_ext.cli", "logs", "-1", "--follow"],
        env=place.environment, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == "tick 0\ntick 1\ntick 2\n"


def test_cancel_hold_and_release_answer_for_each_job(place: Place) -> None:
    slow = script(place, "slow2.py", "import time\ntime.sleep(600)")
    ids = [json.loads(place.command("run", slow, "--json", "--name", f"s{n}"))["short_id"] for n in range(4)]
    service = place.service
    wait_until(lambda: service.job(ids[0]).state == "running", what="the first job")
    told = place.command("hold", ids[3])
    assert f"Job {ids[3]}: held." in told
    wait_until(lambda: service.job(ids[3]).state == "held", what="the hold")
    assert f"Job {ids[0]}: not held" in place.command("hold", ids[0], code=1)
    place.command("release", ids[3])
    wait_until(lambda: service.job(ids[3]).state == "queued", what="the release")
    place.command("cancel", *ids)
    rows = json.loads(place.command("wait", *ids, "--json", code=1))
    assert {r["state"] for r in rows} == {"cancelled"}


def test_completion_knows_verbs_options_devices_and_jobs(place: Place) -> None:
    assert "_QHUB_COMPLETE=bash_complete" in place.command("completion", "bash")

    def complete(words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from qhub_ext.cli import main; main()"],
            env=place.environment | {"_QHUB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.stdout

    assert "devices" in complete("qhub dev")
    assert "--device" in complete("qhub run --dev")
    assert "kingston" in complete("qhub devices king")


def test_a_folder_of_another_user_is_one_sentence(place: Place) -> None:
    import os

    if os.geteuid() != 0:
        pytest.skip("changing an owner needs root")
    file = script(place, "owned.py", "x = 1")
    facts = json.loads(place.command("run", file, "--wait", "--json"))
    folder = JobFolder(Path(facts["folder"]))
    os.chown(folder.path, 54321, 54321)
    try:
        assert "belongs to another user" in place.command("fetch", facts["id"], code=5)
    finally:
        os.chown(folder.path, 0, 0)


def test_a_job_that_runs_has_no_cause(place: Place) -> None:
    place.command("run", script(place, "slow3.py", "import time\ntime.sleep(600)"), "--name", "slow three")
    wait_until(lambda: place.service.job("slow three").state == "running", what="the job")
    assert "and waits for nothing." in place.command("explain", "slow three")
    assert json.loads(place.command("explain", "slow three", "--json"))["cause"] == ""
    place.command("cancel", "slow three")
    place.command("wait", "slow three", code=1)


def test_an_array_of_which_some_has_ended_is_cancelled_and_that_is_said(place: Place) -> None:
    file = script(place, "partly.py", "import time\nif x == 2: time.sleep(600)")
    facts = json.loads(place.command("run", file, "--sweep", "x=1,2", "--json"))
    wait_until(lambda: [one.state for one in place.service.job(facts["id"]).elements] == ["completed", "running"], what="one that ends")  # fmt: skip
    assert "None of its elements waits." in place.command("estimate", facts["id"])
    told = place.command("cancel", facts["id"])
    assert f"Job {facts['short_id']}: cancel is asked for, but not of 1 of its 2 elements." in told
    assert f"Job {facts['short_id']}.0: not cancelled: It has ended: completed." in told
    place.command("wait", facts["id"], code=1)
    assert "cancel is asked for" not in place.command("cancel", facts["id"], code=1)


def test_settings_that_are_wrong_are_one_sentence(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qhub_ext.cli", "jobs"],
        env=place.environment | {"QHUB_TIER": "moon"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 5
    assert done.stderr.startswith("qhub: QHUB_TIER: tier = 'moon' is not accepted")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nif a\n  pass\n", "has a syntax error on line 2, column 5: expected ':': `if a`. Nothing was submitted."),
        ("# nothing\n\n", ""),
        ("  \n", "is empty: there is nothing to submit."),
        ("print(never)", "reads `never` before anything binds it: nothing was submitted. Define it first, or correct its name."),
    ],
)  # fmt: skip
def test_a_slip_in_a_script_is_told_with_the_name_of_its_file(place: Place, text: str, said: str) -> None:
    file = script(place, "syn.py", text)
    before = place.service.shelf.ids()
    if said:
        assert place.command("run", file, code=2) == f"qhub: syn.py {said}\n"
        assert place.service.shelf.ids() == before
    else:
        place.command("run", file, "--wait")


def test_a_variable_that_sets_nothing_is_one_sentence_and_the_command_goes_on(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qhub_ext.cli", "jobs", "--json"],
        env={**place.environment, "QHUB_TEIR": "local"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) is not None
    assert done.stderr == (
        "qhub: The variable QHUB_TEIR sets nothing: there is no such setting. Did you mean QHUB_TIER?\n"
    )


def test_a_site_that_cannot_be_used_is_exit_code_4(place: Place) -> None:
    without = replace(place, environment={**place.environment, "QHUB_EMBEDDED_DIRECTORY": "/proc/qhub"})
    told = without.command("run", script(place, "nowhere.py", "x = 1"), code=4)
    assert "nothing was queued" in told
    assert len(told.splitlines()) == 1


def test_an_interrupt_of_the_wait_is_exit_code_130_and_leaves_the_job(place: Place) -> None:
    file = script(place, "waited for.py", place.until_told("interrupted") + "print('done')")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "qhub_ext.cli", "run", file, "--wait"],
        env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_until(lambda: [s for s in place.service.jobs(text="waited for.py") if s.state == "running"], what="the job")
    waiting.send_signal(signal.SIGINT)
    told, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 130, told
    assert "Traceback" not in told
    place.tell("interrupted")
    place.command("wait", "waited for.py")
    assert place.command("logs", "waited for.py") == "done\n"


def test_a_finished_job_is_queued_again(place: Place) -> None:
    one = json.loads(place.command("run", script(place, "again.py", "x = 1"), "--wait", "--json"))["short_id"]
    assert place.command("requeue", one) == f"Job {one}: queued again.\n"
    place.command("wait", one)
    wait_until(lambda: place.service.job(one).record.attempt.number == 2, what="the second attempt")
    place.command("wait", one)


NASTY = "a b 'c' \"d\" | e\n<b>f</b> $(id) `id` \\ \x1b[31m é 🙂"


def test_a_nasty_name_is_kept_and_harmless_in_a_terminal(place: Place) -> None:
    facts = json.loads(place.command("run", script(place, "named.py", "x = 1"), "--name", NASTY, "--wait", "--json"))
    assert facts["name"] == NASTY
    assert json.loads(place.command("jobs", "--json"))[0]["name"] == NASTY
    for verb in ("jobs", "job", "explain", "trace"):
        told = place.command(verb, *([] if verb == "jobs" else [facts["short_id"]]))
        assert "\x1b" not in told, verb
        assert not [line for line in told.splitlines() if line.startswith("<b>")], verb
    assert place.service.job(NASTY).id == facts["id"]


def test_a_file_whose_name_is_no_utf_8_runs_and_is_listed(tmp_path: Path) -> None:
    with set_up_place(tmp_path) as place:
        (tmp_path / os.fsdecode(b"gr\xf6\xdfe.py")).write_text("print(1)")
        (tmp_path / "größe.py").write_text("print(2)")
        place.command("run", os.fsdecode(b"gr\xf6\xdfe.py"), "--wait")
        plain = replace(
            place,
            environment={**place.environment, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        )
        plain.command("run", "größe.py", "--wait")
        names = [one["name"] for one in json.loads(place.command("jobs", "--json"))]
        assert names == ["größe.py", "gr��e.py"]
        assert place.command("logs", "größe.py") == "2\n"
        assert "gr��e.py" in place.command()


def test_every_verb_that_prints_facts_prints_them_as_json() -> None:
    import qhub_ext.cli  # noqa: F401 - adds its own

    context = click.Context(verbs)
    commands = {name: verbs.get_command(context, name) for name in verbs.list_commands(context)}
    without = {
        name for name, one in commands.items()
        if not isinstance(one, click.Group) and "--json" not in [o for p in one.params for o in p.opts]  # type: ignore[union-attr]
    }  # fmt: skip
    assert without == {"completion", "logs", "virtual-qpu"}  # a script for the shell, what a cell printed, a server


def test_rerun_submits_the_same_bundle_as_a_new_job(place, tmp_path):
    (place.path / "twice.py").write_text("import sys\nprint('with', sys.argv[1:])\n")
    first = json.loads(place.command("run", "twice.py", "--seed", "5", "--wait", "--json", "--", "a b"))
    again = json.loads(place.command("rerun", first["short_id"], "--json"))
    assert again["id"] != first["id"]
    place.command("wait", again["short_id"])
    assert place.command("logs", again["short_id"]) == "with ['a b']\n"
    old, new = place.service.spec(first["id"]), place.service.spec(again["id"])
    assert (new.rerun_of, new.seed, new.arguments) == (old.id, 5, ("a b",))
    other = json.loads(
        place.command("rerun", first["short_id"], "--tier", "emulation", "--device", "FakeFez", "--json")
    )
    assert (other["tier"], other["device"]) == ("emulation", "fez")
    assert "no device" in place.command("rerun", first["short_id"], "--device", "atlantis", code=2)


def test_a_slip_in_the_words_is_one_sentence_that_says_where_the_help_is(place: Place) -> None:
    assert (
        place.command("job", code=2)
        == "qhub: Missing argument 'JOB'. -1 is your latest job. `qhub job --help` says what it takes.\n"
    )
    told = place.command("run", "nosuch.py", code=2)
    assert told.startswith("qhub: ")
    assert "does not exist" in told
    assert len(told.splitlines()) == 1
    assert "`qhub run` takes --tier and --device" in place.command("use", "emulation", code=2)
    known = place.command("frobnicate", code=2)
    assert "virtual-qpu" in known
    assert "more" not in known


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--tier local run x.py", "It stands behind the verb: `qhub run FILE --tier ...`."),
        (
            "run x.py emulation",
            "'emulation' stands where the script's own arguments do. Did you mean --tier emulation?",
        ),
        ("run x.py —tier local", "There is no option '—tier'. Did you mean --tier?"),
        ("run x.py -tier local", "There is no option '-tier'. Did you mean --tier?"),
        ("run x.py --secret 3", "What is the script's own goes behind `--`."),
        ("run x.py --tier", "It accepts local, emulation, qpu."),
        ("JOBS", "There is no verb 'JOBS'. Did you mean 'jobs'"),
    ],
)
def test_a_slip_of_a_newcomer_says_what_was_meant_and_submits_nothing(place: Place, words: str, said: str) -> None:
    script(place, "x.py", "print(1)")
    before = place.service.shelf.ids()
    told = place.command(*words.split(), code=2)
    assert said in told
    assert len(told.splitlines()) == 1
    assert place.service.shelf.ids() == before


def test_a_command_in_a_folder_that_is_gone_says_so_and_submits_nothing(place: Place, tmp_path: Path) -> None:
    file = script(place, "from_nowhere.py", "print(1)")
    gone = tmp_path / "gone"
    gone.mkdir()
    line = 'cd "$1" && rmdir "$1" && exec "$2" -m qhub_ext.cli run "$3"'
    done = subprocess.run(
        ["bash", "-c", line, "bash", str(gone), sys.executable, file],
        env=place.environment, cwd=place.path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "The folder that this was started in is gone" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_word_that_is_also_a_tier_reaches_the_script_behind_two_hyphens(place: Place) -> None:
    file = script(place, "argument.py", "import sys; print(sys.argv[1:])")
    assert place.command("run", file, "--wait", "--", "emulation", "-tier").startswith("['emulation', '-tier']\n")


def test_help_is_a_verb_too_and_no_sentence_of_a_list_is_cut(place: Place) -> None:
    page = place.command("help")
    assert page == place.command("--help")
    listed = page.partition("Commands:")[2] + place.command("help", "broker").partition("Commands:")[2]
    assert "..." not in listed
    assert place.command("help", "jobs") == place.command("jobs", "--help")


def test_without_a_verb_a_terminal_is_told_what_can_be_typed_there(place: Place) -> None:
    told = place.command()
    assert "`qhub run FILE.py --tier TIER --device NAME` submits a script" in told
    assert "%qpu use" not in told


def test_questions_about_a_job_that_has_ended_get_true_answers(place: Place, tmp_path: Path) -> None:
    facts = json.loads(place.command("run", script(place, "ended.py", "x = 1"), "--wait", "--json"))
    one = facts["short_id"]
    assert place.command("estimate", one) == f"Job {one}: It has ended: completed.\n"
    made = json.loads(place.command("run", script(place, "made.py", "class A: ...\nz = object()"), "--wait", "--json"))
    assert "z = <object>" in place.command("fetch", made["short_id"], "z")
    assert "There is no folder" in place.command("outputs", one, "--notebook", str(tmp_path / "no" / "x.ipynb"), code=2)
    many = json.loads(place.command("run", script(place, "many.py", "y = a"), "--sweep", "a=1,2", "--wait", "--json"))
    told = place.command("outputs", many["short_id"], "--notebook", str(tmp_path / "x.ipynb"), code=2)
    assert f"Ask for one of them: {many['short_id']}.0" in told


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        (b"x = 1\r\ny = 2\r\n", "x = 1\ny = 2\n"),
    ],
)
def test_a_script_is_read_in_the_encoding_that_python_takes_it_to_be_in(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "script.py").write_bytes(data)
    assert read_source(tmp_path / "script.py") == text


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"x = '\xe9'\n", b"# coding: nobody-knows\n"])
def test_what_is_no_text_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "script.py").write_bytes(data)
    with pytest.raises(UserError, match=r"script\.py cannot be read as") as caught:
        read_source(tmp_path / "script.py")
    assert "\n" not in str(caught.value)
