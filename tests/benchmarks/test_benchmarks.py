"""The benchmarks run, and their table says what they found. What they find is no test: clocks are not asserted."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, README
from tests.benchmarks.line import Line, take_turns
from tests.benchmarks.table import BEGIN, END, between, merged, part, parts_of, render, write_between


def test_every_benchmark_is_a_module_that_the_readme_explains() -> None:
    for name in BENCHMARKS:
        assert find_spec(f"tests.benchmarks.bench_{name}")
        assert f"`bench_{name}`" in README.read_text()


def test_the_readme_has_its_marks_and_the_command_between_them() -> None:
    before, begin, rest = README.read_text().partition(BEGIN)
    table, end, _ = rest.partition(END)
    assert begin
    assert end
    assert "make bench" in before
    assert "| what | ours | beside | theirs | ours / theirs | target | holds |" in table


def test_one_benchmark_runs_quickly_and_leaves_the_readme_alone() -> None:
    before = README.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", "imports"],
        cwd=README.parents[2], capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr  # 1: a target that did not hold just now
    assert "| `%load_ext qhub_ext` in IPython |" in done.stdout
    assert README.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "holds", "target"),
    [
        (Line("a", 1.0, "b", 2.0, ratio_at_most=0.5), True, "at most 0.5 x"),
        (Line("a", 1.1, "b", 2.0, ratio_at_most=0.5), False, "at most 0.5 x"),
        (Line("a", 0.09, at_most=0.1), True, "at most 100 ms"),
        (Line("a", 0.11, at_most=0.1), False, "at most 100 ms"),
        (Line("a", 5.0, "b", 2.0), None, ""),
    ],
)
def test_a_target_holds_or_does_not(line: Line, holds: bool | None, target: str) -> None:
    assert (line.holds, line.target) == (holds, target)
    assert Line(**line.to_json()) == line


SLOW = Line("slow", 3.0, "peer", 2.0, ratio_at_most=1.0)
LARGE = Line("large", 3.0, at_most=2.0, unit="MiB")
QUICK = Line("quick", 1.0, at_most=2.0, unit="MiB", note="of one")


def test_what_does_not_hold_is_said_under_the_table(tmp_path: Path) -> None:
    text = render([part("a part", [SLOW, LARGE, QUICK], began_at=0.0, load_before=0.25)])
    assert "| **a part** (1970-01-01 00:00 UTC, load 0.2) | | | | | | |" in text
    assert "| slow | 3.00 s | peer | 2.00 s | 1.5 | at most 1 x | **no** |" in text
    assert text.endswith("- slow: 1.5 x peer, wanted at most 1 x.\n- large: 3.00 MiB, wanted at most 2.00 MiB.")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between(readme, text)
    assert readme.read_text() == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"
    assert between(readme).strip() == text
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="lost its marks"):
        write_between(readme, text)


def test_a_part_that_is_measured_again_takes_its_place_and_the_others_stay() -> None:
    first = [part(title, [SLOW], began_at=0.0, load_before=9.0) for title in ("one", "two", "no more")]
    again = part("two", [QUICK], began_at=86_400.0, load_before=0.1)
    assert parts_of(render(first)) == first
    together = merged(parts_of(render(first)), [again], ["two", "one", "three"])
    assert together == [again, first[0]]
    unmeasured = part("one", [], began_at=86_400.0, load_before=0.1)
    assert merged(together, [unmeasured], ["two", "one"]) == together
    assert "| not measured in this run |" in render([unmeasured])
    assert render(together).endswith("- slow: 1.5 x peer, wanted at most 1 x.")
    assert render([again]).endswith("All 1 targets hold.")


def test_sides_take_turns_and_each_gives_its_median() -> None:
    order: list[str] = []
    moments = iter([1.0, 10.0, 3.0, 30.0, 2.0, 20.0])

    def side(name: str) -> float:
        order.append(name)
        return next(moments)

    assert take_turns(lambda: side("a"), lambda: side("b"), rounds=3) == [2.0, 20.0]
    assert order == ["a", "b"] * 3
