"""The folder of frozen names is read as if a stranger had written it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhub_ext.capture.freeze import freeze, thaw, thaw_one
from qhub_ext.capture.manifest import Entry, Manifest, parse_manifest, read_manifest
from qhub_ext.errors import EnvironmentMismatchError, JobFolderError, QhubError, UnknownNameError

VALUES = {"a": [1, 2], "text": "hello", "b": b"x" * 100_000}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    freeze(list(VALUES), VALUES, limit_mb=1).write(tmp_path)
    return tmp_path


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    record = json.loads(path.read_text())
    for dotted, value in changes.items():
        *way, last = dotted.split("__")
        place = record
        for key in way:
            place = place[key]
        place[last] = value
    path.write_text(json.dumps(record))


def test_a_file_that_was_changed_is_not_loaded(folder: Path) -> None:
    file = next(folder.glob("*-text.pickle"))
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(JobFolderError, match="digest differs"):
        thaw_one(folder, "text")
    assert thaw_one(folder, "a") == [1, 2]


def test_a_pickle_with_another_digest_never_runs(folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    code = f"cposix\nsystem\n(S'touch {trap}'\ntR.".encode()
    file = next(folder.glob("*-text.pickle"))
    file.write_bytes(code)
    edit(folder, names__text__bytes=len(code), names__text__stream=len(code))
    with pytest.raises(JobFolderError):
        thaw(folder, {})
    assert not trap.exists()


@pytest.mark.parametrize("change", [b"", b"short"])
def test_a_truncated_file_is_a_sentence(folder: Path, change: bytes) -> None:
    next(folder.glob("*-b.pickle")).write_bytes(change)
    with pytest.raises(JobFolderError, match="`b` is not what was written"):
        thaw_one(folder, "b")


def test_a_missing_file_is_a_sentence_and_nothing_is_bound(folder: Path) -> None:
    next(folder.glob("*-b.pickle")).unlink()
    namespace: dict[str, Any] = {}
    with pytest.raises(JobFolderError, match="The file of `b` is missing"):
        thaw(folder, namespace)
    assert not namespace


def test_a_name_that_is_not_there_is_answered_with_those_that_are(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'text'"):
        thaw_one(folder, "texts")


def test_a_name_that_failed_is_answered_with_the_reason(tmp_path: Path) -> None:
    freeze(["gen"], {"gen": (i for i in [])}, limit_mb=1).write(tmp_path)
    with pytest.raises(UnknownNameError, match="generator"):
        thaw_one(tmp_path, "gen")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"python": "3.4.1"}, "Python 3.4.1"), ({"packages": {"cloudpickle": "1.0"}}, "cloudpickle 1.0")],
)
def test_another_python_or_cloudpickle_is_refused_before_anything_is_loaded(
    folder: Path, changes: dict[str, Any], says: str
) -> None:
    edit(folder, **changes)
    with pytest.raises(EnvironmentMismatchError, match=says):
        thaw_one(folder, "a")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": "qhub.bundle/9"}, "schema"),
        ({"names__a__form": "shell"}, "form of a"),
        ({"names__a__form": ["pickle"]}, "form of a"),
        ({"names__a__file": "../../etc/passwd"}, "plain file name"),
        ({"names__a__file": "/etc/passwd"}, "plain file name"),
        ({"names__a__file": ".."}, "plain file name"),
        ({"names__a__digest": "none"}, "digest"),
        ({"names__a__bytes": -1}, "not a count"),
        ({"names__a__bytes": True}, "not a count"),
        ({"names__b__buffers": [[0, 10, False]]}, "overlap"),
        ({"names__a__buffers": [[64, 10**12, False]]}, "end behind"),
        ({"names__a": 3}, "not an object"),
        ({"names": []}, "not an object"),
        ({"names__a": {"form": "module", "module": "os; import sys"}}, "no module"),
        ({"names": {"not a name": {}}}, "not a name"),
        ({"failed": {"a": 1}}, "not text"),
    ],
)
def test_a_manifest_with_a_wrong_field_is_named(folder: Path, changes: dict[str, Any], says: str) -> None:
    edit(folder, **changes)
    with pytest.raises(JobFolderError) as caught:
        read_manifest(folder)
    assert says in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"x"', "\xff\xfe", "[" * 100_000])
def test_a_damaged_manifest_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, "latin-1")
    with pytest.raises(JobFolderError):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JobFolderError, match="holds no captured values"):
        thaw(tmp_path, {})


def test_names_that_refer_to_each_other_in_a_circle_end_in_a_sentence(tmp_path: Path) -> None:
    one, two = [1], [2]
    freeze(["a", "b"], {"a": one, "b": [one], "c": two}, limit_mb=1).write(tmp_path)
    path = tmp_path / "manifest.json"
    record = json.loads(path.read_text())
    record["names"]["a"] = record["names"]["b"]  # b refers to a, which now is b
    path.write_text(json.dumps(record))
    with pytest.raises(JobFolderError, match="in a circle"):
        thaw(tmp_path, {})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [field.name for field in dataclasses.fields(Entry)]
entries = st.dictionaries(
    st.sampled_from(FIELDS), json_values | st.sampled_from(["pickle", "qpy", "module", "qpy_list", "os", 0, 64])
)


@given(st.fixed_dictionaries({"schema": st.just("qhub.bundle/1")}, optional={
    "names": st.dictionaries(st.sampled_from(["a", "b", "no name"]), entries | json_values, max_size=2) | json_values,
    "failed": json_values, "notes": json_values, "python": json_values, "packages": json_values,
}) | json_values)  # fmt: skip
@settings(max_examples=300)
def test_any_json_is_a_manifest_or_a_sentence(record: Any) -> None:
    try:
        found = parse_manifest(record)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either answer is right, if it is an answer
        return
    assert parse_manifest(json.loads(json.dumps(found.to_json()))) == found


@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3), st.binary(max_size=20), st.integers(0, 300))
@settings(max_examples=150)
def test_a_folder_with_random_damage_never_raises_anything_but_a_sentence(
    changes: dict[str, Any], noise: bytes, at: int
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        freeze(["a"], VALUES, limit_mb=1).write(folder)
        file = next(folder.glob("*.pickle"))
        data = file.read_bytes()
        file.write_bytes(data[:at] + noise + data[at:])
        path = folder / "manifest.json"
        record = json.loads(path.read_text())
        record["names"]["a"].update(changes)
        path.write_text(json.dumps(record))
        try:
            assert thaw_one(folder, "a") == [1, 2]
        except QhubError as error:
            assert error.message  # noqa: PT017


def test_a_manifest_survives_being_written(folder: Path) -> None:
    found = read_manifest(folder)
    assert isinstance(found, Manifest)
    assert parse_manifest(json.loads(json.dumps(found.to_json()))) == found
    assert found.asked == ("a", "text", "b")
