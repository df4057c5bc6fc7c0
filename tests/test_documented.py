"""What people may rely on is written down where they look for it: public names, settings, options, releases."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

import qhub_ext
from qhub_ext import cli
from qhub_ext.capture.command import OPTIONS, help_page
from qhub_ext.settings import Settings, describe_settings

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
    verbs = words_of(cli.v.verbs)
    assert len(verbs) > 40
    assert [verb for verb in verbs if not set(verb.split()) <= told] == []

    def commands(group: click.Group) -> list[click.Command]:
        inner = [commands(c) if isinstance(c, click.Group) else [c] for c in group.commands.values()]
        return [command for some in inner for command in some]

    silent = [
        f"{command.name} {option.opts[0]}"
        for command in commands(cli.v.verbs)
        for option in command.params
        if isinstance(option, click.Option) and not option.help and not option.hidden
    ]
    assert silent == []
    assert [command.name for command in commands(cli.v.verbs) if not command.help] == []


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
