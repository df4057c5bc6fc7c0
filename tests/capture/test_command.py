"""The line of `%%qpu`: what it asks for, or one sentence about what is wrong with it."""

import contextlib
import json
import shlex
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhub_ext.capture.command import parse_line, parse_words, split_line
from qhub_ext.capture.keywords import request_from_keywords
from qhub_ext.capture.options import LONGEST_NAME, OPTIONS, help_page
from qhub_ext.capture.quantity import parse_memory, parse_time
from qhub_ext.capture.request import Request
from qhub_ext.capture.sweep import parse_sweep
from qhub_ext.errors import InvalidOptionError, QhubError, UnknownNameError, UserError


def test_an_empty_line_asks_for_nothing() -> None:
    assert parse_line("") == Request()
    assert parse_line("").given == {}


def test_a_count_may_be_written_as_numbers_are() -> None:
    assert [parse_line(f"--shots {text}").shots for text in ("1e4", "2.5E3", "4_000")] == [10000, 2500, 4000]
    for text in ("1e-4", "2.5e0", "1e99", "nan", "4000.0"):
        with pytest.raises(InvalidOptionError):
            parse_line(f"--shots {text}")


def test_a_line_with_everything() -> None:
    line = (
        "--tier emulation -d kingston -s 4_000 --seed=0 --time 1h30 -p test --name 'a b' -i x,y -i z --without w --out r "
        "--after 7qm3xd,01kayt4w2-7qm3xd --sweep t=0:1:3 --wait --dry-run --cold -A chem --partition long "
        "--site-option qos=high --site-option comment=a=b --cpus 2 -m2G --site lab"
    )
    request = parse_line(line)
    assert request.given == {
        "tier": "emulation",
        "device": "kingston",
        "site": "lab",
        "profile": "test",
        "shots": 4000,
        "seed": 0,
        "time_s": 5400,
        "sweeps": {"t": [0.0, 0.5, 1.0]},
        "after": ["7qm3xd", "01kayt4w2-7qm3xd"],
        "wait": True,
        "dry_run": True,
        "cold": True,
        "name": "a b",
        "inputs": ["x", "y", "z"],
        "without": ["w"],
        "outputs": ["r"],
        "cpus": 2,
        "memory_mb": 2048,
        "account": "chem",
        "partition": "long",
        "site_options": {"qos": "high", "comment": "a=b"},
    }
    assert request.elements == [{"t": 0.0}, {"t": 0.5}, {"t": 1.0}]
    assert json.loads(json.dumps(request.given)) == request.given


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--teir local", "There is no option '--teir'. Did you mean '--tier'"),
        ("--tier loca", "There is no tier 'loca'. Did you mean 'local'?"),
        ("emulation", "Did you mean --tier emulation?"),
        ("-tier local", "There is no option '-tier'. Did you mean --tier?"),
        ("—tier local", "There is no option '—tier'. Did you mean --tier?"),
        ("--wait –time=5m", "There is no option '–time=5m'. Did you mean --time?"),
        ("--name my job --wait", "'job' belongs to no option. Words with spaces stand in quotes: --name \"my job\"."),
        ("--wait --account=some group", 'stand in quotes: --account "some group".'),
        ("job --name my", "'job' belongs to no option. `%%qpu?` shows them all."),
        ("--shots", "--shots needs a value (N). It accepts a whole number from 1 on."),
        ("--shots --wait", "--shots needs a value"),
        ("--shots 0", "--shots '0' is not accepted. It accepts a whole number from 1 on."),
        ("--shots 1.5", "a whole number"),
        ("--shots -5", "a whole number"),
        ("--seed -1", "from 0 on"),
        ("--wait=yes", "--wait takes no value"),
        ("--time 90", "--time 90 has no unit. Write 90s, 90m, 90h or 90d."),
        ("--time soon", "Write 10m, 1h30, 90s, 1:30:00 or 2d."),
        ("--time 0s", "between one second and a year"),
        ("--memory 2", "Write 2G"),
        ("--memory much", "Write 500M or 2G"),
        ("--memory 1M", "at least 64M"),
        ("--in 3x", "'3x' is not a name"),
        ("--in a-b", "'a-b' is not a name"),
        ("--after ,", "names no job"),
        ("--site-option qos", "not KEY=VALUE"),
        ("--site-option 'a b=1'", "not KEY=VALUE"),
        ("--device ''", "is not a name"),
        ("--name ''", "--name is empty"),
        (f"--name {'x' * 201}", "201 characters; at most 200"),
        ("--name 'abc", "no closing quotation"),
        ("--sweep theta", "--sweep 'theta' has no values"),
        ("--sweep 1=2", "not a name"),
        ("--sweep a=0:1", "Write START:STOP:COUNT"),
        ("--sweep a=0:1:0", "Write START:STOP:COUNT"),
        ("--sweep a=0:inf:3", "Write START:STOP:COUNT"),
        ("--sweep a=0:1:10001", "10,001 elements; one array takes at most 10,000"),
        ("--sweep a=0:9:200 --sweep b=0:9:200", "40,000 elements"),
        ("--sweep a=1 --sweep a=2", "--sweep a is given twice"),
        (
            "--sweep a=1,2 b=3,4",
            "'b=3,4' belongs to no option. Did you mean --sweep b=3,4? Each variable has one of its own.",
        ),
        ("--sweep a=thets", "There is no list 'thets'. Did you mean 'thetas'?"),
        ("--sweep a=number", "`number` is int, not a list"),
        ("--sweep a=circuits", "a value is object"),
        ("--sweep a=empty", "is empty"),
        ("--sweep a=nans", "not a finite number"),
        ("--sweep a=1,,2", "empty value"),
        ("--sweep a='(1'", "without its other half"),
        ("--sweep a=range(0)", "is empty"),
        ("--sweep a=range(1e9)", "range takes one to three whole numbers"),
        ("--sweep a=range(number)", "range takes one to three whole numbers"),
        ("--sweep a=range(1000000000000000000000000)", "one array takes at most 10,000"),
        ("--sweep a=np.linspace(0,1,5)", "write --sweep a=values"),
        ("--sweep 'a=[i for i in range(3)]'", "write --sweep a=values"),
        ("--time 0", "--time 0 is less than one second. Write 10m"),
        ("--time 0s", "not between one second and a year"),
        ("--memory 0", "less than a job can start with. Write at least 64M"),
        ("--memory 9999999999T", "more than any machine has. Write 500M or 2G"),
        ("--memory 4", "has no unit. Write 4G."),
        ("--name -1", "-1 is the latest"),
        ("--tier ,", "There is no tier ','"),
        ("--seed 9999999999999999999", "is too large. It accepts up to 18 digits"),
        ("-nx3", "'3' is not a name"),
        ("-n=3", "--dry-run takes no value"),
        ("--name=-12", "-1 is the latest"),
    ],
)
def test_a_slip_is_one_sentence_that_says_what_would_be_accepted(line: str, says: str) -> None:
    namespace = {"thetas": [1], "number": 3, "circuits": [object()], "empty": [], "nans": [float("nan")]}
    with pytest.raises(UserError) as caught:
        parse_line(line, namespace)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_short_option_with_its_value_attached_is_no_slip() -> None:
    assert parse_line("-in -s200 -tlocal --name —x").given == {
        "tier": "local",
        "shots": 200,
        "name": "—x",
        "inputs": ["n"],
    }


@pytest.mark.parametrize(
    "name",
    ["two words", "it's", 'say "hi"', "a | b; rm -rf /", "<b>bold</b>", "line\nbreak", "ünï✓", "$HOME `x`", "--tier"],
)
def test_any_name_is_legal_and_kept_as_it_is(name: str) -> None:
    assert parse_line(f"--name {shlex.quote(name)}").name == name
    assert parse_line(f"--name={shlex.quote(name)}").name == name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h30", 5400), ("1h30m", 5400), ("90s", 90), ("1:30:00", 5400), ("2:30", 150), ("2d", 172800), ("1-02:00:00", 93600),
     ("1.5h", 5400), ("1 h 5 min", 3900), ("2m30", 150), ("1d12", 129600), ("1 hour", 3600), ("10 minutes", 600), ("0.5s", None), ("1:60:00", None),
     ("h", None), ("", None), ("-5m", None), ("5m5h", None), ("400d", None)],
)  # fmt: skip
def test_a_time_is_read_as_people_write_it_or_refused(text: str, seconds: int | None) -> None:
    if seconds is None:
        with pytest.raises(InvalidOptionError):
            parse_time(text)
    else:
        assert parse_time(text) == seconds


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [("2G", 2048), ("500M", 500), ("1.5g", 1536), ("1T", 2**20), ("2GiB", 2048), ("2 GB", 2048), ("65536k", 64)],
)
def test_memory_is_read_as_people_write_it(text: str, mebibytes: int) -> None:
    assert parse_memory(text) == mebibytes


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1,2,3", (1, 2, 3)),
        ("a=0.1,1e-3,-2", (0.1, 0.001, -2)),
        ("a=0:1:3", (0.0, 0.5, 1.0)),
        ("a=0:10:11", tuple(range(11))),
        ("a=10:0:3", (10, 5, 0)),
        ("a=-1:1:3", (-1, 0, 1)),
        ("a=5:9:1", (5,)),
        ("a=xx,yy", ("xx", "yy")),
        ("a='one',", ("one",)),
        ("a='x,y','z'", ("x,y", "z")),
        ("a=True,None", (True, None)),
        ("a=[1,2],[3,4]", ([1, 2], [3, 4])),
        ("a=[1,2,3]", (1, 2, 3)),
        ("a=12", (12,)),
        ("a=listed", (1, 2.5)),
        ("a=array", (0.0, 1.0)),
        ("a=grid", ([0, 1], [2, 3])),
        ("a=counts", (0, 1, 2)),
        ("a=points", ([1, 2], [3, 4])),
        ("a=1:2:x,y", ("1:2:x", "y")),
        ("a=range(3)", (0, 1, 2)),
        ("a=range(6, 0, -2)", (6, 4, 2)),
        ("a=mixed", ([1, "a"], [2, "b"])),
        ("a=[word]", ("word",)),
        ("a='f(x)','g(x)'", ("f(x)", "g(x)")),
    ],
)
def test_a_sweep_gives_its_values_with_their_types(text: str, values: tuple[Any, ...]) -> None:
    namespace = {
        "listed": [1, np.float64(2.5)],
        "array": np.arange(2.0),
        "grid": np.arange(4).reshape(2, 2),
        "counts": range(3),
        "points": [(1, 2), (3, 4)],
        "mixed": [(1, "a"), (2, "b")],
    }
    found = parse_sweep(text, namespace)
    assert found.values == values
    assert [type(v) for v in found.values] == [type(v) for v in values]
    assert json.loads(json.dumps(found.values)) == list(values)


def test_a_sweep_of_lists_is_taken_and_makes_its_elements() -> None:
    request = parse_line("--sweep p=pairs", {"pairs": [(1, "a"), (2, "b")]})
    assert request.elements == [{"p": [1, "a"]}, {"p": [2, "b"]}]


def test_a_misspelt_list_is_told_the_lists_of_the_notebook_and_not_those_of_ipython() -> None:
    with pytest.raises(UserError) as caught:
        parse_line("--sweep p=misspelt", {"In": ["", "x"], "_dh": [1], "angles": [1.0]})
    assert "angles" in str(caught.value)
    assert "In" not in str(caught.value).split()
    assert str(caught.value).endswith("To sweep over that one word, write --sweep p=[misspelt].")
    assert parse_line("--sweep p=[misspelt]").sweeps[0].values == ("misspelt",)


def test_a_range_ends_exactly_where_it_says() -> None:
    for text in ("a=0:0.3:4", "a=0.1:0.7:1000", "a=0:6.283185307179586:17"):
        values = parse_sweep(text, {}).values
        assert values[-1] == float(text.split(":")[1])
        assert values == pytest.approx(np.linspace(float(text[2:].split(":")[0]), values[-1], len(values)))


def test_several_sweeps_make_their_product() -> None:
    request = parse_line("--sweep a=1,2 --sweep b=x,y")
    assert request.elements == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fetch -1 counts   # into the notebook, don't worry", ["fetch", "-1", "counts"]),
        ("# nothing", []),
        ("a #", ["a"]),
        ("--name 'a # b' # c", ["--name", "a # b"]),
        ('--name "a \\" # b" # c', ["--name", 'a " # b']),
        ("--name 'a\\' # b", ["--name", "a\\"]),
        ("run #3 and x# y", ["run", "#3", "and", "x#", "y"]),
    ],
)
def test_a_comment_behind_a_line_is_none_of_its_words(line: str, words: list[str]) -> None:
    assert split_line(line) == words


def test_switches_may_stand_together_and_a_list_may_end_with_a_comma() -> None:
    request = parse_line("-nw -s7 --tier local,")
    assert (request.dry_run, request.wait, request.shots, request.tiers) == (True, True, 7, ("local",))
    assert parse_line("-ws9").shots == 9


def test_words_that_belong_to_no_option_are_handed_on() -> None:
    request, rest = parse_words(["run.py", "--tier", "local", "--", "--tier", "x", "-z"])
    assert request.tier == "local"
    assert rest == ["run.py", "--tier", "x", "-z"]


def test_an_option_that_is_not_in_the_table_of_a_verb_is_unknown_there() -> None:
    only = tuple(option for option in OPTIONS if option.name == "tier")
    with pytest.raises(UnknownNameError):
        parse_words(["--device", "x"], options=only)


def test_every_option_has_a_field_a_sentence_and_a_reader() -> None:
    fields = set(Request.__dataclass_fields__)
    assert {option.key for option in OPTIONS} == fields
    shorts = [option.short for option in OPTIONS if option.short]
    assert len(shorts) == len(set(shorts))
    for option in OPTIONS:
        assert option.help.endswith("."), option.name
        assert bool(option.metavar) != (option.kind == "flag"), option.name


def test_defaults_named_in_the_table_are_settings() -> None:
    from qhub_ext.settings import describe_settings

    known = {name for name, _, _ in describe_settings()}
    assert {option.setting for option in OPTIONS if option.setting} <= known


def test_the_help_page_names_every_option_within_its_width() -> None:
    page = help_page(width=90)
    for option in OPTIONS:
        assert option.flag in page
    assert max(map(len, page.splitlines())) <= 90


@given(st.text(max_size=80))
@settings(max_examples=300)
def test_any_line_is_a_request_or_a_sentence(line: str) -> None:
    with contextlib.suppress(QhubError):
        assert isinstance(parse_line(line, {}), Request)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Request()),
        ({"tier": "local", "shots": 5, "time": "10m", "memory": "2G"}, Request(tier="local", shots=5, time_s=600, memory_mb=2048)),
        ({"time_s": 90, "memory_mb": 500, "cold": True, "seed": None}, Request(time_s=90, memory_mb=500, cold=True)),
        ({"inputs": ["a", "b"], "out": "c,d", "name": "-x"}, Request(inputs=("a", "b"), outputs=("c", "d"), name="-x")),
        ({"site_options": {"qos": "short"}}, Request(site_options={"qos": "short"})),
    ],
)  # fmt: skip
def test_a_program_asks_by_keywords_what_a_line_asks_by_options(options: dict[str, Any], expected: Request) -> None:
    assert request_from_keywords(options) == expected


def test_a_program_sweeps_over_its_own_values() -> None:
    assert request_from_keywords({"sweep": {"x": [1, 2]}}).elements == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tier": "moon"}, "There is no tier 'moon'. Known: local, emulation, qpu."),
        ({"teir": "local"}, "There is no option 'teir'. Did you mean 'tier'"),
        ({"tier": "local,emulation"}, "One job has one tier."),
        ({"shots": -1}, "--shots '-1' is not accepted."),
        ({"shots": 1.5}, "--shots '1.5' is not accepted."),
        ({"wait": True}, "There is no option 'wait'."),
    ],
)
def test_a_program_s_slip_is_the_same_sentence_as_a_line_s(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as told:
        request_from_keywords(options)
    assert str(told.value).startswith(said)


words = st.sampled_from(
    [o.flag for o in OPTIONS]
    + [f"-{o.short}" for o in OPTIONS if o.short]
    + ["=", "--", "-", "1", "0:1:5", "a=1,2", "a=[", "2G", "1h", "x,y", "'", '"', "local", "a=x"]
)


@given(st.lists(words, max_size=8))
@settings(max_examples=400)
def test_any_mixture_of_options_is_a_request_or_a_sentence(line: list[str]) -> None:
    with contextlib.suppress(QhubError):
        request = parse_line(" ".join(line), {"x": [1]})
        assert json.loads(json.dumps(request.given)) == request.given


@given(st.text(min_size=1, max_size=LONGEST_NAME).filter(lambda t: t.strip() and "\0" not in t))
@settings(max_examples=200)
def test_quoting_brings_any_name_through(name: str) -> None:
    assert parse_line(f"--name {shlex.quote(name)}").name == name
