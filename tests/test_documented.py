"""What people may rely on is written down where they look for it: public names, settings, options, releases."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import click
import nbformat
import pytest
from pydantic import BaseModel

import qhub_ext
from qhub_ext import cli
from qhub_ext.capture.options import OPTIONS, help_page
from qhub_ext.display import duration, state_words
from qhub_ext.job.state import State
from qhub_ext.settings import Settings, describe_settings
from qhub_ext.verbs import surface

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted(qhub_ext.__all__))
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(qhub_ext, name)
    assert name in dir(qhub_ext)
    if name != "__version__":
        assert inspect.getdoc(value), name


def test_the_public_names_are_these() -> None:
    assert set(qhub_ext._HOMES) | {"__version__"} == set(qhub_ext.__all__)
    assert (Path(qhub_ext.__file__).parent / "py.typed").exists()
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        qhub_ext.nosuch  # noqa: B018 - the look-up is what is tested


def sections(model: type[BaseModel], at: str = "") -> list[tuple[str, str | None]]:
    """Every key with its description; of a section, those inside."""
    found: list[tuple[str, str | None]] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += sections(inner, f"{at}{name}.")
        else:
            found.append((f"{at}{name}", field.description))
    return found


def test_every_setting_has_a_sentence_and_is_listed_by_the_doctor() -> None:
    keys = dict(sections(Settings))
    assert [key for key, sentence in keys.items() if not sentence] == []
    listed = {name for name, _, _ in describe_settings()}
    assert {key for key in keys if key not in listed} == set()


def test_every_option_of_a_cell_is_on_its_help_page() -> None:
    page = help_page()
    assert [option.name for option in OPTIONS if f"--{option.name}" not in page] == []


def test_every_option_of_a_script_says_in_a_terminal_what_it_accepts() -> None:
    page = " ".join(cli.run.get_help(click.Context(cli.run, info_name="qhub run")).split())
    silent = [
        o.name for o in cli.SUBMIT_OPTIONS if o.kind != "tier" and o.accepts and f"Accepts {o.accepts}." not in page
    ]
    assert silent == []
    assert "least busy" in page


def words_of(group: click.Group, before: str = "") -> list[str]:
    """Every verb that a group leads to, with the words before it."""
    found = []
    for name, command in group.commands.items():
        found += words_of(command, f"{before}{name} ") if isinstance(command, click.Group) else [f"{before}{name}"]
    return found


def test_every_verb_and_each_of_its_options_says_what_it_does_and_the_guide_has_it() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text().partition("## Asking about jobs")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    told = {word for row in rows for word in re.findall(r"[a-z-]+", row)}
    verbs = words_of(cli.verbs)
    assert len(verbs) > 40
    assert [verb for verb in verbs if not set(verb.split()) <= told] == []

    def commands(group: click.Group) -> list[click.Command]:
        inner = [commands(c) if isinstance(c, click.Group) else [c] for c in group.commands.values()]
        return [command for some in inner for command in some]

    silent = [
        f"{command.name} {option.opts[0]}"
        for command in commands(cli.verbs)
        for option in command.params
        if isinstance(option, click.Option) and not option.help and not option.hidden
    ]
    assert silent == []
    assert [command.name for command in commands(cli.verbs) if not command.help] == []


def test_the_exit_codes_of_help_and_guide_are_those_of_the_command() -> None:
    own = {value for name, value in vars(surface).items() if name.startswith("EXIT_")}
    told = [cli.verbs.epilog or "", *re.findall(r"(?s)Exit codes: .*?\.\n", (ROOT / "docs" / "guide.md").read_text())]
    assert len(told) == 2
    for sentence in told:
        assert {int(code) for code in re.findall(r"\b(\d+) ", sentence)} == own, sentence


@pytest.mark.parametrize("document", ["README.md", "docs/guide.md", "docs/operators.md"])
def test_what_a_document_shows_of_screens_has_the_words_of_today(document: str) -> None:
    text = (ROOT / document).read_text()
    screens = "\n".join(block for kind, block in re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text) if not kind)
    for seconds in map(float, re.findall(r"(?<![\d.])(\d+(?:\.\d+)?) s\b", screens)):
        assert f"{seconds:g} s" == duration(seconds)
    for state in re.findall(r"(?m)^Job [0-9a-z]{6} (.+?): ", screens):
        assert state in map(state_words, State), state


def test_version_and_licence_are_the_same_wherever_they_are_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = dict(re.findall(r"(?m)^(\w+): (.+)$", (ROOT / "CITATION.cff").read_text()))
    package = re.search(r'"version": "([^"]+)"', (ROOT / "labextension" / "package.json").read_text())
    assert package is not None
    assert {project["version"], citation["version"], package[1]} == {qhub_ext.__version__}
    assert project["license"] == citation["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_what_the_documents_point_to_is_there() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "qhub_ext/README.md", "docs/guide.md", "docs/operators.md"):
        text = (ROOT / document).read_text()
        targets = re.findall(r"\]\(([^)#:]+)\)", text)
        named = re.findall(r"`((?:tests|notebooks|docs|labextension|qhub_ext)/[\w./-]+\.(?:py|md|ipynb))`", text)
        beside = ROOT / Path(document).parent
        assert [t for t in targets if not (beside / t).exists() and not (ROOT / t).exists()] == [], document
        assert [n for n in named if not (ROOT / n).exists()] == [], document


def test_the_tour_of_the_package_has_every_part_of_it() -> None:
    tour = (ROOT / "qhub_ext" / "README.md").read_text()
    parts = [path for path in (ROOT / "qhub_ext").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in parts]
    assert [name for name in names if f"`{name}`" not in tour] == []


def test_what_an_operator_is_told_to_set_are_settings() -> None:
    text = (ROOT / "docs" / "operators.md").read_text() + (ROOT / "docs" / "guide.md").read_text()
    keys = {key for key, _ in sections(Settings)}
    tables = {key.rpartition(".")[0] for key in keys} | keys
    examples = "\n".join(re.findall(r"(?ms)^ *```toml\n(.*?)^ *```", text))
    named = re.findall(r"(?m)^ *\[\[?([a-z_]+)(?:\.([a-z_]+))?", examples)
    assert [n for n in named if n[0] not in tables or (n[1] and ".".join(n) not in tables and n[0] not in keys)] == []
    assert set(re.findall(r"`((?:embedded|slurm|qpu|broker|limits|capture|telemetry)\.[a-z_]+)`", text)) <= {
        *keys,
        "slurm.conf",
    }


MEASURED = (
    ("`%%qpu` with a circuit of 20 qubits", "submitit"),
    ("from a kernel kept ready (numpy", "`python -c`"),
    ("10 qubits, next run", "`AerSimulator.from_backend`"),
    ("memory of all processes", "submitit"),
    ("50 watchers of 1,000 jobs", "submitit"),
    ("a task, with its result", "`qrmi"),
    ("6000 tasks of a public trace", "first come"),
    ("8 hybrid jobs", "each with the device"),
)
"""The rows of tests/benchmarks/README.md that README.md has, in its order."""
UNITS = {"ms": 1e-3, "s": 1.0, "MiB": 1.0, "%": 1.0}


def columns(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def quantity(text: str) -> float:
    number, unit = text.split()
    return float(number) * UNITS[unit]


def measured_rows() -> list[list[str]]:
    lines = (ROOT / "tests/benchmarks/README.md").read_text().splitlines()
    return [columns(line) for line in lines if line.startswith("| ")]


def test_the_decision_of_a_broker_takes_as_long_as_operators_are_told() -> None:
    said = re.search(r"decides in ([\d.]+ ms) with 100,000 tasks", (ROOT / "docs" / "operators.md").read_text())
    found = next(row[1] for row in measured_rows() if row[0] == "one decision with 100,000 tasks queued")
    assert said is not None
    assert 1 / 1.6 <= quantity(said[1]) / quantity(found) <= 1.6


def test_the_numbers_of_the_readme_are_rounded_ones_of_the_benchmarks() -> None:
    told = (ROOT / "README.md").read_text().partition("## Measured")[2].partition("\n## ")[0]
    rows = [columns(line) for line in told.splitlines() if line.startswith("| ")][1:]
    table = measured_rows()
    assert len(rows) == len(MEASURED)
    for (_, ours, _, theirs), (what, beside) in zip(rows, MEASURED, strict=True):
        measured = next(row for row in table if row[0].startswith(what) and row[2].startswith(beside))
        for said, found in ((ours, measured[1]), (theirs, measured[3])):
            assert 1 / 1.6 <= quantity(said) / quantity(found) <= 1.6, f"{what}: {said} is said, {found} was measured"


def commands_in(text: str) -> set[str]:
    """What a document tells to type: commands of `qhub` and `%qpu` in code, without placeholders and comments."""
    blocks = re.findall(r"(?ms)^ *```(?:sh|python)?\n(.*?)^ *```", text)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", text)
    found = (
        re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/|/opt/qhub/bin/)?(?:qhub|%qpu) (.+)", line)
        for line in lines
    )
    return {match[1].partition("#")[0].strip() for match in found if match}


def slip_in(command: str) -> str | None:
    """What `qhub` would not know of it; words in capitals stand for something else."""
    group: click.Command = cli.verbs
    words = command.replace(",", " ").split()
    if words[0] == "use":  # of notebooks alone
        return None
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        if words[0].isupper():
            return None
        if words[0] not in group.commands:
            return f"{command}: no verb {words[0]!r}"
        group = group.commands[words.pop(0)]
    known = {name for option in group.params for name in (*option.opts, *option.secondary_opts)}
    known |= {f"--{option.name}" for option in OPTIONS} if group.name == "run" else set()
    before_the_scripts_own = words[: words.index("--")] if "--" in words else words
    unknown = [
        w
        for w in before_the_scripts_own
        if w.startswith("--") and w.partition("=")[0] not in known | {"--help", "--json"}
    ]
    return f"{command}: no option {unknown}" if unknown else None


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "docs/guide.md", "docs/operators.md", "docs/capacity.md", "notebooks"]
)
def test_every_command_that_is_told_is_one_that_is_there(document: str) -> None:
    if document == "notebooks":
        cells = [
            cell
            for path in sorted((ROOT / document).glob("*.ipynb"))
            for cell in nbformat.read(path, as_version=4).cells
        ]
        text = "\n".join(f"```\n{cell.source}\n```" if cell.cell_type == "code" else cell.source for cell in cells)
    else:
        text = (ROOT / document).read_text()
    told = commands_in(text)
    assert len(told) >= (0 if document in ("CONTRIBUTING.md", "docs/capacity.md") else 8)
    assert [slip for command in sorted(told) if (slip := slip_in(command))] == []
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"(?m)^make ([a-z-]+)", text)) <= targets
