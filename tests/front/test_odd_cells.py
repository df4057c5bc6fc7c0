"""What people also write in cells. Each job here holds as many of these things as get along with each other."""

from __future__ import annotations

from pathlib import Path

from tests.front.conftest import Notebook


def test_a_module_of_a_folder_that_the_notebook_added_to_its_path_is_imported_in_the_job(
    notebook: Notebook, tmp_path: Path
) -> None:
    (tmp_path / "of_my_own.py").write_text("class Thing:\n    size = 5\n")
    notebook.run(f"import sys; sys.path.append({str(tmp_path)!r})\nimport of_my_own\nthing = of_my_own.Thing()")
    cell = "from of_my_own import Thing\nprint(type(thing) is Thing, of_my_own.Thing.size)\nother = Thing()"
    try:
        assert "True 5" in notebook.run(f"%%qpu --wait\n{cell}").text
        assert notebook.ask("type(other) is of_my_own.Thing") == "True"
    finally:
        notebook.run("sys.path.pop()")


def test_what_a_job_brought_or_did_not_is_said_in_words_that_fit(notebook: Notebook) -> None:
    told = notebook.run(
        "%%qpu --wait --sweep angle=0.5,1.5 --as turned\nlater = (n for n in range(3))\ntwice = 2 * angle"
    )
    assert (
        "`later` did not come back: it is a generator, which cannot be copied half way; let the cell make" in told.text
    )
    assert notebook.ask("turned['angle'], turned['twice']") == "([0.5, 1.5], [1.0, 3.0])"
    assert "it is a generator" in notebook.run("turned[0]['later']", ok=False).text
    notebook.run("%%qpu --wait --as silent\nprint('nothing to keep')")
    told = notebook.run("silent['x']", ok=False)
    assert "There is no variable 'x': the job brought none back." in told.text


def test_an_array_is_walked_and_says_which_of_its_elements_have_no_such_value(notebook: Notebook) -> None:
    notebook.run("%%qpu --sweep k=1,2,3 --as row\nif k == 2: raise ValueError('two')\nvalue = k * k\n_hidden = k")
    notebook.run("row.wait()")
    assert notebook.ask("[one['value'] for one in row if one.state == 'completed']") == "[1, 9]"
    assert notebook.ask("len(row), bool(row), [one.state for one in row[1:]]") == "(3, True, ['failed', 'completed'])"
    assert notebook.ask("len({row, row[0], row[0]})") == "2"
    told = notebook.run("row['value']", ok=False).text
    assert "1 of 3 elements of job" in told
    assert "have no 'value'; the first is 1, failed. job[0]['value'] is that of one element." in told
    assert "comes back where --out names it" in notebook.run("row[0]['_hidden']", ok=False).text
    assert "'class' is not a name of a variable" in notebook.run("%qpu fetch row value=class", ok=False).text
    notebook.run("%%qpu --as single\npass")
    assert "is not an array: it has no elements" in notebook.run("len(single)", ok=False).text


def test_what_will_be_otherwise_in_the_job_is_said_when_the_cell_is_sent(notebook: Notebook) -> None:
    notebook.run("import numpy as np\nwhole = np.zeros(4)\npart = whole[1:3]")
    told = notebook.run("%%qpu --partition fast --site-option nice=3 --wait\npart[:] = 7\nprint(whole)").text
    assert "Note: `part` shares its memory with `whole` here" in told
    assert "--partition and --site-option have no effect" in told
    assert "[0. 0. 0. 0.]" in told
    assert notebook.ask("part.tolist(), whole.tolist()") == "([7.0, 7.0], [0.0, 0.0, 0.0, 0.0])"


def test_one_value_that_cannot_be_restored_keeps_no_other_back(notebook: Notebook) -> None:
    told = notebook.run(
        "%%qpu --wait --as mixed\nclass Broken:\n    def __reduce__(self): return eval, ('1/0',)\nbroken, fine = Broken(), [1]"
    ).text
    assert "In the notebook now: Broken, fine." in told
    assert "`broken` (Broken) cannot be restored here: ZeroDivisionError" in told
    assert notebook.ask("fine") == "[1]"
    assert "cannot be restored here" in notebook.run("%qpu fetch mixed broken", ok=False).text


def test_an_object_changed_by_its_own_method_comes_back_over_the_one_that_went(notebook: Notebook) -> None:
    notebook.run(
        "class Stack(list):\n    def push(self, value): self.append(value)\nstack, other = Stack([1]), Stack([5])"
    )
    notebook.run("%%qpu --as first\nstack.push(2)")
    notebook.run("%%qpu --as second\nother.push(6)\nget_ipython = None\nopen = None")
    notebook.run("first.wait(); second.wait()")
    assert "now, from job" in notebook.run("%qpu fetch first").plain
    told = notebook.run("%qpu fetch second").plain
    assert told.endswith(": open, other.")  # IPython's own names stay where they are
    notebook.run("del open")
    assert notebook.ask("stack, other, type(stack) is Stack is type(other)") == "([1, 2], [5, 6], True)"


def test_the_jobs_of_one_cell_do_not_take_each_other_s_values_for_changes_of_the_user(notebook: Notebook) -> None:
    told = notebook.run(
        "%%qpu --wait --tier local,emulation --as both\nfrom qhub_ext.job.context import current\nran_on = current().tier"
    ).text
    assert "`ran_on` in the notebook is that of job " in told
    assert ", on local; `%qpu fetch " in told
    assert "changed in the notebook" not in told
    assert notebook.ask("ran_on, both['ran_on']") == "('local', ['local', 'emulation'])"


def test_where_one_job_of_a_cell_fails_the_others_are_waited_for(notebook: Notebook) -> None:
    told = notebook.run(
        "%%qpu --wait --tier local,emulation\nfrom qhub_ext.job.context import current\nif current().tier == 'local': raise ValueError('here')\nprint('went on')",
        ok=False,
    ).text
    assert "went on" in told
    assert told.rstrip().endswith("(cause: code)")
    assert told.count("ValueError: here (line 2 of the cell)") == 1


def test_variables_that_cannot_be_written_any_more_are_missed(notebook: Notebook) -> None:
    notebook.run("%%qpu --as narrow\nimport sys\nkept = 1\nsys.setrecursionlimit(50)")
    notebook.run("narrow.wait()")
    assert "Variables did not come back: the cell left its Python" in notebook.run("narrow").plain
