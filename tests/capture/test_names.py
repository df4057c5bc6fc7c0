"""What a cell reads, binds and changes."""

import builtins
import contextlib
import json
import os
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhub_ext.capture.names import Names, analyse, is_history
from qhub_ext.errors import CaptureError

NOTEBOOK = dict.fromkeys(["qc", "shots", "f", "x", "df", "obj", "total", "backend", "items"], 1)


def reads(cell: str, **more: Any) -> set[str]:
    return set(analyse(cell, NOTEBOOK | more).reads)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("res = f(qc, shots)", {"f", "qc", "shots"}),
        ("x += 1", {"x"}),
        ("del x", {"x"}),
        ("df['c'] = 1", {"df"}),
        ("obj.a.b = 3", {"obj"}),
        ("df['c'] += x", {"df", "x"}),
        ("y = [a * x for a in items if a in df]", {"x", "items", "df"}),
        ("y = {k: v for k, v in items}", {"items"}),
        ("y = [[b for b in x] for x in items]", {"items"}),
        ("(y := x + 1)", {"x"}),
        ("y = [(x := a) for a in items]", {"items"}),
        ("class A(obj):\n    k = x\n    def m(self): return shots", {"obj", "x", "shots"}),
        ("class A:\n    x = 1\n    y = x", set()),
        ("class A:\n    x = 1\n    def m(self): return x", {"x"}),
        ("class A:\n    x = [1]\n    y = [x for _ in x]", {"x"}),
        ("def g():\n    global total\n    total += 1\ng()", {"total"}),
        ("def g(x, y=shots, *, z: df = 1) -> obj: return x", {"shots", "df", "obj"}),
        ("def g():\n    def h(): return x\n    return h", {"x"}),
        ("def g():\n    x = 1\n    def h():\n        nonlocal x\n        x += 1\n    return h", set()),
        ("from __future__ import annotations\ndef g(x: df): pass\ny: obj = 1", set()),
        ("print(f'{shots:>{x}} {qc!r}')", {"shots", "x", "qc"}),
        ("@f\ndef g(): pass", {"f"}),
        ("y: df = x", {"df", "x"}),
        ("res = await backend.run(qc)", {"backend", "qc"}),
        ("async for i in items:\n    print(i)", {"items"}),
        ("async with f(x) as y: pass", {"f", "x"}),
        ("a, *b = df", {"df"}),
        ("y = lambda x: x + shots", {"shots"}),
        ("try:\n    pass\nexcept f as x:\n    print(x)", {"f"}),
        ("match qc:\n    case {'k': x, **rest} if x: print(x, rest)\n    case f(): pass", {"qc", "f"}),
        ("from math import *\nsin(x)", {"x"}),
        ("!echo {shots} $x $$df", {"shots", "x"}),
        ("files = !ls {f(x)}", {"f", "x"}),
        ("%timeit -n 10 f(x)", {"f", "x"}),
        ("%time y = f(x)", {"f", "x"}),
        ("%%capture out\nprint(qc)", {"qc"}),
        ("%%time\ny = f(qc)", {"f", "qc"}),
        ("%%timeit y = x\nf(y)", {"f", "x"}),
        ("%%bash\necho $shots", set()),
        ("for i in items:\n    !echo $x", {"items", "x"}),
    ],
)
def test_what_a_cell_reads_is_found(cell: str, expected: set[str]) -> None:
    assert reads(cell) == expected


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1\nprint(x)",
        "import x\nx.y",
        "for x in range(3): pass\nelse:\n    x = 1",
        "if qc:\n    x = 1\nelse:\n    x = 2\nprint(x)",
        "try:\n    x = 1\nexcept ValueError:\n    x = 2\nprint(x)",
        "try:\n    x = 1\nexcept ValueError:\n    raise\nprint(x)",
        "with open('q') as x:\n    y = x.read()",
        "with open('q') as h:\n    x = h.read()\nprint(x)",
        "def x(): return x()",
        "def g(): return x\nx = 1\ng()",
        "def g(): return h()\ndef h(): return x\nx = 2\ng()",
        "(x := 3)\nprint(x)",
        "%%capture x\npass",
        "x = %time 3",
    ],
)
def test_what_the_cell_surely_binds_first_need_not_travel(cell: str) -> None:
    assert "x" not in reads(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "if qc: x = 1\nprint(x)",
        "for i in items: x = i\nprint(x)",
        "while qc: x = 1\nprint(x)",
        "try:\n    x = f()\nexcept ValueError:\n    pass\nprint(x)",
        "with f():\n    x = 1\nprint(x)",
        "def g(): return x\ng()\nx = 1",
        "def g(): return x\nitems.sort(key=g)\nx = 1",
        "x = sorted(df, key=lambda t: x)",
        "qc and (x := 1)\nprint(x)",
        "match qc:\n    case 1: x = 1\nprint(x)",
        "x = 1\ndel x\nprint(x)",
        "@f\ndef g(): return x\nx = 1",
        "class A(obj):\n    def m(self): return x\nx = 1",
        "if qc:\n    def g(): return x\nelse:\n    x = 1\n    f()\ng()",
    ],
)
def test_what_is_bound_on_some_paths_only_travels(cell: str) -> None:
    assert "x" in reads(cell)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a = b = 1; c, (d, *e) = 1, (2, 3)", {"a", "b", "c", "d", "e"}),
        ("for i in items: acc = i", {"i", "acc"}),
        ("import numpy as np, os.path\nfrom a import b as c", {"np", "os", "c"}),
        ("def g():\n    global total\n    total = 1", {"g", "total"}),
        ("class A: pass", {"A"}),
        ("%%capture out --no-stderr\ny = 1", {"out", "y"}),
        ("%%bash --out text\nls", {"text"}),
        ("files = !ls", {"files"}),
        ("%timeit z = 1", set()),
        ("[i for i in range(3)]", set()),
        ("a = 1\ndel a", set()),
    ],
)
def test_what_a_cell_binds_is_found(cell: str, expected: set[str]) -> None:
    assert analyse(cell, NOTEBOOK).writes - {"--no-stderr"} == expected


def test_names_that_are_changed_in_place_can_be_brought_back() -> None:
    found = analyse("df['c'] = 1\nobj.a.b = 2\ndel qc[0]\nitems.append(3)\nfor x.y in range(2): pass", NOTEBOOK)
    assert found.mutates == {"df", "obj", "qc", "items", "x"}
    assert found.returns >= {"df", "obj", "qc", "items"}


def test_calling_a_function_of_a_module_changes_no_name() -> None:
    assert analyse("json.dumps(1)\ndict.fromkeys([])", {"json": json, "dict": dict}).mutates == frozenset()


def test_looking_at_a_value_is_not_changing_it() -> None:
    assert analyse("qc.draw('mpl')\ndf.head()", NOTEBOOK).mutates == frozenset()


def test_imports_do_not_come_back() -> None:
    assert analyse("import numpy as np\ny = np.zeros(3)", {}).returns == {"y"}


def test_deleting_a_name_of_the_notebook_is_noted() -> None:
    assert analyse("del x", NOTEBOOK).deletes == {"x"}


def test_a_name_that_nobody_binds_is_missing_for_sure_only_when_it_is_read_for_sure() -> None:
    assert analyse("print(nope)", NOTEBOOK).missing == {"nope"}
    assert analyse("nope += 1", NOTEBOOK).missing == {"nope"}
    for cell in [
        "if qc: print(nope)",
        "def g(): return nope",
        "try:\n    nope\nexcept NameError: pass",
        "qc or nope",
        "[nope for _ in items]",
    ]:
        found = analyse(cell, NOTEBOOK)
        assert (found.missing, found.doubtful) == (frozenset(), {"nope"}), cell


@pytest.mark.parametrize(
    "cell",
    [
        "!echo $PWD",
        "!echo {PWD} ${PWD}",
        "files = !ls $PWD",
        "%%bash\necho $PWD {PWD}",
        "%%bash -s $PWD\necho",
        "%cd $PWD",
        "def g():\n    !echo $PWD\ng()",
        "!awk '{print $NF}' data.txt",
    ],
)
def test_what_a_shell_line_leaves_to_the_shell_is_neither_missing_nor_a_warning(cell: str) -> None:
    found = analyse(cell, NOTEBOOK)
    assert (found.missing, found.doubtful, found.warnings) == (frozenset(), frozenset(), ())


def test_a_name_in_a_shell_line_travels_when_the_notebook_has_it_and_is_missing_when_python_reads_it_too() -> None:
    assert analyse("!echo $shots {len(items)}", NOTEBOOK).reads == {"shots", "items"}
    assert analyse("!echo $nope\nprint(nope)", NOTEBOOK).missing == {"nope"}
    assert analyse("print(nope)\n!echo $nope", NOTEBOOK).missing == {"nope"}
    assert analyse("!echo $nope\nif qc: print(nope)", NOTEBOOK).doubtful == {"nope"}


def test_a_warning_counts_its_names() -> None:
    assert analyse("print(nope)", NOTEBOOK).warnings == ("`nope` will not exist when the cell reads it: a NameError.",)
    assert "`a` and `b` will not exist when the cell reads them" in analyse("a + b", {}).warnings[0]
    assert analyse("if qc: print(nope)", NOTEBOOK).warnings[0].startswith("`nope` is bound neither")
    assert (
        analyse("_3", {"_3": 1}).warnings[0].startswith("`_3` belongs to this notebook's history and does not travel")
    )


def test_reading_a_name_before_the_cell_binds_it_is_missing() -> None:
    assert analyse("print(nope)\nnope = 1", NOTEBOOK).missing == {"nope"}


@pytest.mark.parametrize("first", ["from math import *", "%run other.py", "exec('nope = 1')", "%load_ext something"])
def test_where_anything_may_have_been_bound_nothing_is_missing_for_sure(first: str) -> None:
    assert analyse(f"{first}\nprint(nope)", NOTEBOOK).missing == frozenset()


def test_what_every_kernel_has_is_neither_missing_nor_read() -> None:
    found = analyse("print(__name__, get_ipython(), display)\nlen([]); super; __file__", NOTEBOOK)
    assert found == Names()


def test_a_shadowed_builtin_travels_and_an_untouched_one_does_not() -> None:
    assert analyse("sum(max)", {"sum": 3, "max": max}).reads == {"sum"}


def test_names_of_a_sweep_are_provided() -> None:
    found = analyse("print(theta)", {"theta": 1}, provided=["theta"])
    assert found.reads == found.missing == frozenset()


def test_history_stays_with_the_notebook() -> None:
    found = analyse("_ + _3 + Out[1] + __ + _i2", {"_": 1, "_3": 2, "Out": {}, "__": 1, "_i2": ""})
    assert found.history == {"_", "_3", "Out", "__", "_i2"}
    assert found.reads == frozenset()
    assert "do not travel" in " ".join(found.warnings)
    assert not any(map(is_history, ["_private", "__version__", "x", "_x1", "_index"]))


def test_dynamic_code_is_flagged() -> None:
    found = analyse("eval('shots')", NOTEBOOK)
    assert found.dynamic == {"eval"}
    assert "--in" in found.warnings[0]


def test_the_words_of_a_magic_travel_but_are_no_reason_to_refuse() -> None:
    found = analyse("%mymagic shots and more", NOTEBOOK)
    assert found.reads == found.opaque == found.optional == {"shots"}


def test_a_name_that_the_cell_may_have_bound_itself_is_optional() -> None:
    found = analyse("if qc: x = 1\nprint(x)", NOTEBOOK)
    assert (found.reads, found.optional) == ({"qc", "x"}, {"x"})


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("x = 1\ndef f(:\n    pass", ["line 2, column 7", "`def f(:`"]),
        ("x = 1\nreturn 3", ["line 2", "outside function"]),
        ("%%capture\nx = 1\nprint 1", ["line 3", "`print 1`"]),
        ("%timeit f(", ["line 1"]),
        ("x = 'a", ["unterminated string"]),
        ("for i in range(3):\npass", ["line 2", "indented block"]),
        ("a\0b", []),
        ("nonlocal x", ["line 1"]),
        ("(" * 300 + ")" * 300, []),
        ("\ud800 = 1", []),
    ],
)
def test_a_syntax_error_is_one_sentence_with_its_place(cell: str, says: list[str]) -> None:
    with pytest.raises(CaptureError) as caught:
        analyse(cell, NOTEBOOK)
    for part in says:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
@settings(max_examples=150)
def test_any_text_is_read_or_refused_in_a_sentence(cell: str) -> None:
    with contextlib.suppress(CaptureError):
        analyse(cell, NOTEBOOK)


# -- the answer, held against Python itself ----------------------------------------------------------------------------

NAMES = ["a", "b", "c", "d"]
names = st.sampled_from(NAMES)
values = st.one_of(
    names,
    st.just("1"),
    st.builds("({} or {})".format, names, names),
    st.builds("({} if {} else {})".format, names, names, names),
    st.builds("[{} for {} in [1, 2]]".format, names, names),
    st.builds("[{0} for {1} in [{2}] if {3}]".format, names, names, names, names),
    st.builds("({} := {})".format, names, names),
    st.builds("({} and ({} := 2))".format, names, names),
    st.builds("(lambda {}=1: {})()".format, names, names),
    st.builds("(lambda: {})".format, names),
    st.builds("call({})".format, names),
)
simple = st.one_of(
    st.builds("{} = {}".format, names, values),
    st.builds("{} += {}".format, names, values),
    st.builds("{}".format, values),
    st.builds("call({})".format, names),
    st.builds("del {}".format, names),
    st.builds("{}: {} = {}".format, names, names, names),
    st.builds("assert True or {}".format, names),
    st.just("pass"),
    st.just("raise ValueError"),
)


def _indented(body: list[str]) -> str:
    return "\n".join("    " + line for block in body for line in block.split("\n"))


def _block(head: str) -> Any:
    return lambda name, other, body: f"{head.format(name, other)}\n{_indented(body)}"


def _two(first: str, second: str) -> Any:
    return lambda name, one, two: f"{first.format(name)}\n{_indented(one)}\n{second.format(name)}\n{_indented(two)}"


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3)
    heads = [
        "for {0} in [1, 2]:",
        "for _ in []:",
        "def {0}({1}=1):",
        "def {0}():",
        "@call\ndef decorated({0}={1}):",
        "class {0}:",
        "with swallow({1}) as {0}:",
        "if True:",
        "if False:",
        "while call(False):",
    ]
    pairs = [
        ("if call({0}):", "else:"),
        ("try:", "except Exception as {0}:"),
        ("try:", "finally:"),
        ("for {0} in [1]:", "else:"),
    ]
    return st.one_of(
        *(st.builds(_block(head), names, names, body) for head in heads),
        *(st.builds(_two(*pair), names, body, body) for pair in pairs),
        st.builds(lambda n, b: f"def fn():\n    global {n}\n{_indented(b)}\nfn()", names, body),
    )


statements = st.recursive(simple, _compound, max_leaves=6)
programs = st.lists(statements, min_size=1, max_size=6).map("\n".join)


class _Tracked(dict[str, Any]):
    """A namespace that notes which of its first values were read under their own names."""

    def __init__(self, first: dict[str, Any]) -> None:
        super().__init__(first)
        self.first = dict(first)
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is self.first.get(name, self):
            self.seen.add(name)
        return value


class _Swallow:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __enter__(self) -> Any:
        return self.value

    def __exit__(self, *_: object) -> bool:
        return True


DEEPEST = 4
_within = 0


def _call(value: Any = None) -> Any:
    """Calls whatever it gets, as a decorator or a library would; not for ever, as two calls of a function in itself would take."""
    global _within
    if callable(value) and _within < DEEPEST:
        _within += 1
        try:
            value()
        except Exception:
            return value
        finally:
            _within -= 1
    return value


@given(programs)
@settings(max_examples=400)
def test_no_program_reads_a_value_of_the_notebook_that_was_not_captured(program: str) -> None:
    try:
        code = compile(program, "<cell>", "exec")
    except SyntaxError:
        return
    notebook: dict[str, Any] = {name: [name] for name in NAMES}
    namespace = _Tracked(notebook)
    namespace.update({"call": _call, "swallow": _Swallow, "__name__": "__main__"})
    with contextlib.suppress(Exception):  # what was read until then counts
        exec(code, namespace)
    found = analyse(program, notebook | {"call": _call, "swallow": _Swallow})
    assert namespace.seen & set(NAMES) <= found.reads, program


def test_scopes_of_the_standard_library_are_those_of_the_compiler() -> None:
    """Every name that the compiler resolves to the module is read here, or was bound before on every path."""
    import symtable

    folder = Path(sysconfig.get_paths()["stdlib"])
    files = [
        folder / name
        for name in ("dataclasses.py", "argparse.py", "enum.py", "typing.py", "ast.py", "inspect.py", "json/decoder.py")
    ]
    for path in files:
        source = path.read_text("utf-8")
        table = symtable.symtable(source, str(path), "exec")
        referenced: set[str] = set()

        def walk(scope: symtable.SymbolTable, referenced: set[str] = referenced) -> None:
            for symbol in scope.get_symbols():
                if symbol.is_referenced() and (scope.get_type() == "module" or symbol.is_global()):
                    referenced.add(symbol.get_name())
            for child in scope.get_children():
                walk(child)

        walk(table)
        everything = dict.fromkeys(referenced, 0)
        found = analyse(source, everything)
        assert found.reads <= referenced, (path, found.reads - referenced)
        assert referenced - found.reads <= found.writes | found.deletes | set(dir(builtins)) | {
            "__name__",
            "__file__",
            "__doc__",
            "__class__",  # which the compiler adds to every `super()`, also outside of a class
        } | _hidden(everything), path


def _hidden(names: dict[str, Any]) -> set[str]:
    return {
        n for n in names if is_history(n) or n in {"In", "Out", "exit", "quit", "display", "__debug__", "__builtins__"}
    }


def test_reading_a_cell_of_plain_python_does_not_import_ipython() -> None:
    import subprocess
    import sys

    code = "from qhub_ext.capture.names import analyse; analyse('x = 1', {}); import sys; assert 'IPython' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_the_tree_is_not_run() -> None:
    assert analyse("1/0", {}) == Names()
