"""Values of a notebook become files, each alone; what cannot travel is named with what to do instead."""

import contextlib
import io
import os
import socket
import sqlite3
import sys
import tempfile
import threading
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhub_ext.capture.freeze import Frozen, freeze, preview, thaw, thaw_one
from qhub_ext.capture.manifest import read_manifest
from qhub_ext.errors import CaptureError
from tests.capture.strangers import Notebook


def frozen(limit_mb: float = 64, /, **values: object) -> Frozen:
    return freeze(list(values), values, limit_mb=limit_mb)


def back(folder: Path, found: Frozen) -> dict[str, object]:
    found.write(folder)
    namespace: dict[str, object] = {}
    thaw(folder, namespace)
    return namespace


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        10**40,
        1.5,
        2j,
        "text ✓",
        b"bytes",
        [1, [2]],
        (1, "a"),
        {"k": {1}},
        frozenset({1}),
        range(3),
        bytearray(b"x"),
        ...,
    ],
    ids=repr,
)
def test_plain_values_come_back_equal(value: object, tmp_path: Path) -> None:
    assert back(tmp_path, frozen(value=value))["value"] == value


def test_any_name_that_python_accepts_may_travel(tmp_path: Path) -> None:
    names = {"ψ0": 1, "x" * 300: 2, "class_": 3, "名": 4, "X": 5, "x": 6}
    assert back(tmp_path, freeze(list(names), names, limit_mb=1)) == names


def test_arrays_keep_layout_and_permission(tmp_path: Path) -> None:
    whole = np.arange(300.0 * 300).reshape(300, 300)
    locked = np.arange(50_000.0)
    locked.flags.writeable = False
    got = back(
        tmp_path,
        frozen(f=np.asfortranarray(whole), locked=locked, strided=whole[::2, ::3], o=np.array([1, "a", None], object)),
    )
    assert got["f"].flags.f_contiguous
    assert got["f"].flags.writeable
    assert not got["locked"].flags.writeable
    assert np.array_equal(got["strided"], whole[::2, ::3])
    got["f"][0, 0] = -1
    assert list(got["o"]) == [1, "a", None]


def test_a_large_array_is_not_copied_before_it_is_written() -> None:
    array = np.zeros(1_000_000)
    parts = next(iter(frozen(array=array).parts.values()))
    views = [part for part in parts if isinstance(part, memoryview)]
    assert len(views) == 1
    assert np.shares_memory(np.frombuffer(views[0]), array)


def test_a_table_comes_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": range(100), "s": ["x"] * 100})
    got = back(tmp_path, frozen(table=table, column=table.a))
    pd.testing.assert_frame_equal(got["table"], table)


def test_modules_travel_by_their_import_names(tmp_path: Path) -> None:
    found = frozen(np=np, p=os.path, la=np.linalg, main=sys.modules["__main__"])
    assert {name: entry.module for name, entry in found.manifest.names.items()} == {
        "np": "numpy",
        "p": "os.path" if os.path.__name__ not in sys.modules else os.path.__name__,
        "la": "numpy.linalg",
        "main": "__main__",
    }
    assert not found.files
    assert back(tmp_path, found)["la"] is np.linalg


def test_a_module_made_at_run_time_stays() -> None:
    assert "import it inside the cell" in frozen(mod=types.ModuleType("made_here")).failed["mod"]


def _generator() -> object:
    yield 1


async def _coroutine() -> None: ...


def test_what_cannot_travel_is_named_alone_with_the_reason() -> None:
    coroutine = _coroutine()
    with (
        contextlib.closing(coroutine),
        contextlib.closing(sqlite3.connect(":memory:")) as connection,
        socket.socket() as sock,
        open(os.devnull) as file,
    ):
        found = frozen(
            good=1,
            gen=_generator(),
            coro=coroutine,
            db=connection,
            net=sock,
            fh=file,
            lock=threading.Lock(),
            box={"deep": [threading.RLock()]},
            env=os.environ,
            thread=threading.current_thread(),
        )
    assert list(found.manifest.names) == ["good"]
    said = found.failed
    assert (
        said["gen"]
        == "`gen` is a generator, which cannot be copied half way; make a list of it, or create it inside the cell"
    )
    assert "live connection" in said["db"]
    assert "live connection" in said["net"]
    assert "send its path" in said["fh"]
    assert said["box"].startswith("`box` holds a lock")
    assert "secrets" in said["env"]
    with pytest.raises(CaptureError) as caught:
        found.require()
    assert "9 values cannot travel" in str(caught.value)
    assert "--without gen,coro,db" in str(caught.value)
    found.require(["good"])


def test_what_cannot_come_back_has_advice_for_the_notebook() -> None:
    values = {"gen": _generator(), "event": threading.Event(), "box": [threading.Lock()], "big": np.zeros(1 << 18)}
    assert freeze(values, values, limit_mb=1, main=values, setting="limits.variable_mb", back=True).failed == {
        "gen": "`gen` is a generator, which cannot be copied half way; let the cell make a list of it",
        "event": "`event` is a signal between threads; create one in the notebook",
        "box": "`box` holds a lock; create one in the notebook",
        "big": "`big` (ndarray float64 (262144,)) is 2 MiB, and 1 MiB may travel in all; let the cell save it to a file, and read "
        "that in the notebook, or raise limits.variable_mb in qhub.toml",
    }


def test_an_object_that_holds_a_backend_is_refused_quickly() -> None:
    aer = pytest.importorskip("qiskit_aer")
    simulator = aer.AerSimulator()
    found = frozen(box=[simulator], simulator=simulator)
    assert "`backend()` gives the device of the tier" in found.failed["simulator"]
    assert found.failed["box"] == "`box` holds `simulator`, which cannot travel"
    assert "holds a backend" in frozen(box=[simulator]).failed["box"]


def test_services_with_credentials_are_refused_by_class() -> None:
    service = type(
        "QiskitRuntimeService", (), {"__module__": "qiskit_ibm_runtime.qiskit_runtime_service", "token": "s3cret"}
    )()
    own = type("MyService", (type(service),), {"__module__": "__main__"})()
    found = frozen(service=service, own=own, wrapped=types.SimpleNamespace(inner=service))
    assert set(found.failed) == {"service", "own", "wrapped"}
    assert "credentials" in found.failed["own"]
    assert "s3cret" not in str(found.failed)


class _Grumpy:
    def __reduce__(self) -> str:
        raise RuntimeError("not today\nsecond line")


def test_a_class_that_refuses_to_be_pickled_is_reported_in_one_line() -> None:
    said = frozen(grumpy=_Grumpy()).failed["grumpy"]
    assert "not today" in said
    assert "\n" not in said


def test_an_interrupt_ends_the_capture() -> None:
    class Slow:
        def __reduce__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frozen(slow=Slow())


def test_a_name_that_does_not_exist_is_reported() -> None:
    assert freeze(["nope"], {}, limit_mb=1).failed == {"nope": "`nope` does not exist in this notebook"}


def test_over_the_limit_the_largest_is_named_and_the_others_travel() -> None:
    found = frozen(2, big=np.zeros(10**6), small=[1], text="x" * 10**6)
    assert set(found.manifest.names) == {"small", "text"}
    assert found.failed["big"].startswith("`big` (ndarray float64 (1000000,)) is 7.63 MiB")
    assert "limits.capture_mb" in found.failed["big"]


def test_a_value_whose_size_shows_late_is_stopped_at_the_limit() -> None:
    class Large:
        def __getstate__(self) -> list[bytes]:
            return [os.urandom(100_000) for _ in range(100)]

    assert "is over 1 MiB" in frozen(1, large=Large()).failed["large"]


def test_a_large_array_over_the_limit_is_never_serialised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Array(np.ndarray):
        def __reduce_ex__(self, protocol: object) -> object:
            raise AssertionError("serialised")

    assert "may travel in all" in frozen(1, big=np.zeros(10**6).view(Array)).failed["big"]


def test_the_same_object_under_two_names_stays_the_same(tmp_path: Path) -> None:
    shared, array = [1], np.arange(10)
    got = back(tmp_path, frozen(a=shared, b=shared, c=(shared, {"k": shared}), x=array, y=[array], z=array))
    assert got["a"] is got["b"] is got["c"][0] is got["c"][1]["k"]
    assert got["x"] is got["y"][0] is got["z"]


def test_values_that_contain_each_other_come_back_as_they_were(tmp_path: Path) -> None:
    book = Notebook()
    book.run(
        "class Node: pass\nparent, child, other = Node(), Node(), Node()\nparent.children = [child, other]\n"
        "child.parent = other.parent = parent\nchild.sibling = other\n"
        "a = []\nb = [a]\nc = {'b': b}\na.append(c)\nitself = {}\nitself['me'] = itself\nbeside = [b, parent]"
    )
    for names in (
        ["parent", "child", "other"],
        ["other", "child", "parent"],
        ["a", "b", "c", "itself", "beside", "child", "parent"],
    ):
        found = freeze(names, book.names, limit_mb=1)
        found.require()
        got = back(tmp_path / names[0], found)
        assert got["child"].parent is got["parent"]
        assert got["parent"].children[0] is got["child"]
        assert type(got["parent"]) is got["Node"]
    assert got["a"][0] is got["c"]
    assert got["c"]["b"] is got["b"] is got["beside"][0]
    assert got["b"][0] is got["a"]
    assert got["itself"]["me"] is got["itself"]
    assert got["beside"][1] is got["parent"]
    assert thaw_one(tmp_path / "a", "child").parent.children[0].parent.children


def test_one_of_a_circle_that_cannot_travel_is_said_of_all(tmp_path: Path) -> None:
    first: list[object] = []
    second: list[object] = [first, threading.Lock()]
    first.append(second)
    assert set(frozen(first=first, second=second, third=3).failed) == {"first", "second"}


def test_what_a_function_needs_travels_with_it_and_is_called_implied(tmp_path: Path) -> None:
    book = Notebook()
    book.run("scale = 2\ndef g(x): return x * scale\ndef f(x): return g(x)\nunused = 5")
    found = freeze(["f"], book.names, limit_mb=1)
    assert set(found.manifest.names) == {"f", "g", "scale"}
    assert found.manifest.asked == ("f",)
    assert [row.note for row in preview(found)] == ["", "needed by another name", "needed by another name"]
    namespace = back(tmp_path, found)
    assert namespace["f"](3) == 6
    namespace["scale"] = 100
    assert namespace["f"](3) == 300


def test_a_need_that_cannot_travel_is_reported_with_who_needs_it() -> None:
    book = Notebook()
    book.run("gen = (i for i in [])\ndef f(): return next(gen)")
    found = freeze(["f"], book.names, limit_mb=1)
    assert list(found.manifest.names) == ["f"]
    assert found.failed["gen"].endswith("(`f` needs it)")
    with pytest.raises(CaptureError, match="--without gen"):
        found.require(["f"])
    freeze(["f"], book.names, limit_mb=1, without=["gen"]).require()


def test_bringing_one_function_back_brings_what_it_needs_but_overwrites_nothing(tmp_path: Path) -> None:
    book = Notebook()
    book.run("scale = 2\noffset = 1\ndef f(x): return x * scale + offset")
    freeze(["f"], book.names, limit_mb=1).write(tmp_path)
    namespace: dict[str, object] = {"scale": 50}
    thaw(tmp_path, namespace, ["f"])
    assert namespace["f"](1) == 51
    assert thaw_one(tmp_path, "f", {"scale": 1, "offset": 0})(7) == 7


def test_a_container_before_its_function_in_the_list_changes_nothing(tmp_path: Path) -> None:
    book = Notebook()
    book.run("k = 3\ndef g(): return k\nfs = [g]\ndef f(): return fs[0] is g")
    for names in (["fs", "f", "g"], ["f"], ["g", "fs", "f"]):
        namespace = back(tmp_path / names[0], freeze(names, book.names, limit_mb=1))
        assert namespace["f"]()
        assert namespace["fs"][0]() == 3


def test_an_instance_of_a_class_that_was_defined_again_is_noted() -> None:
    book = Notebook()
    book.run("class A: pass\na = A()\nclass A: pass")
    found = freeze(["a"], book.names, limit_mb=1)
    assert "earlier definition of class `A`" in found.manifest.notes[0]


def test_the_class_of_a_value_that_comes_home_is_the_notebooks_own(tmp_path: Path) -> None:
    book = Notebook()
    book.run("class A:\n    pass\na = A()")
    freeze(["a"], book.names, limit_mb=1).write(tmp_path)
    assert type(thaw_one(tmp_path, "a", book.names)) is book.names["A"]


def test_capturing_leaves_the_values_as_they_were() -> None:
    book = Notebook()
    book.run("k = 1\ndef f(): return k")
    before = dict(book.names)
    freeze(["f", "k"], book.names, limit_mb=1)
    assert book.names == before
    assert book.names["f"].__globals__ is book.names


def test_builtins_of_the_target_stay_a_module(tmp_path: Path) -> None:
    import builtins

    book = Notebook()
    book.run("def f(): return len([])")
    freeze(["f"], book.names, limit_mb=1).write(tmp_path)
    namespace: dict[str, object] = {"__builtins__": builtins}
    thaw(tmp_path, namespace)
    assert namespace["__builtins__"] is builtins


def test_a_preview_says_what_travels_how_large() -> None:
    rows = preview(frozen(a=np.zeros((1000, 3)), t="hello", n=3, m=os, bad=_generator()))
    assert [(r.name, r.summary, r.size) for r in rows] == [
        ("a", "ndarray float64 (1000, 3)", "24.1 kB"),
        ("t", "str 'hello'", "20 B"),
        ("n", "int 3", "5 B"),
        ("m", "module os", "import"),
        ("bad", "", ""),
    ]


def test_files_of_others_cannot_read_along(tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    frozen(a=1).write(folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


def test_parts_and_files_say_the_same(tmp_path: Path) -> None:
    found = frozen(a=np.zeros(10**5), b=[1])
    found.write(tmp_path)
    for name, data in found.files.items():
        assert (tmp_path / name).read_bytes() == data
    assert found.bytes == sum(map(len, found.files.values()))
    assert read_manifest(tmp_path) == found.manifest


def test_a_buffer_in_memory_travels(tmp_path: Path) -> None:
    assert back(tmp_path, frozen(b=io.BytesIO(b"abc")))["b"].getvalue() == b"abc"


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "δ"]), plain, max_size=4), st.booleans())
@settings(max_examples=100)
def test_any_plain_values_come_back_equal_with_what_they_share(values: dict[str, object], linked: bool) -> None:
    if linked:
        values["all"] = list(values.values())
    with tempfile.TemporaryDirectory() as folder:
        got = back(Path(folder), freeze(sorted(values), values, limit_mb=8))
    assert got == values
    for name, value in zip(values, got.get("all", []), strict=False):
        assert not isinstance(value, (list, dict)) or value is got[name]
