"""Whether the way of a job is clear, and every setting."""

from __future__ import annotations

import json
from typing import Any

import click

from qhub_ext.display.tables import Table
from qhub_ext.verbs.group import facts_verb, verbs
from qhub_ext.verbs.surface import EXIT_ENVIRONMENT, Surface


@verbs.command("doctor")
@click.option("--settings", "show_settings", is_flag=True, help="List every setting with its value and meaning.")
@facts_verb
def doctor_verb(surface: Surface, show_settings: bool) -> Table:
    """Checks the way of a job from end to end and says what to mend."""
    if show_settings:
        return settings_table(surface)
    findings = surface.service.doctor()
    signs = {"ok": "✓ ok", "warning": "! warning", "failure": "✗ failure"}
    if any(f.level == "failure" for f in findings):
        surface.exit_code = EXIT_ENVIRONMENT
    return Table(
        ("", "checked", "what to do"),
        [(signs.get(f.level, f.level), f.what, f.advice) for f in findings],
        facts=[vars(f) for f in findings],
    )


def settings_table(surface: Surface) -> Table:
    from qhub_ext.settings import describe_settings, describe_tables

    rows = []
    inside = describe_tables()
    for dotted, _, sentence in describe_settings():
        value: Any = surface.service.settings
        for part in dotted.split("."):
            value = getattr(value, part)
        keys = [(key, told) for table, key, told in inside if table == dotted]
        if not keys:
            rows.append((dotted, json.dumps(value, default=str), sentence))
            continue
        rows.append((dotted, json.dumps(list(value) if isinstance(value, dict) else len(value)), sentence))
        for key, told in keys:
            named = value.items() if isinstance(value, dict) else enumerate(value)
            given = {str(name): getattr(one, key) for name, one in named if key in one.model_fields_set}
            rows.append(
                (f"{dotted}.{'NAME' if isinstance(value, dict) else 'N'}.{key}", json.dumps(given, default=str), told)
            )
    facts = {name: json.loads(value) for name, value, _ in rows}
    return Table(("setting", "value", "meaning"), rows, facts=facts, widths={"value": 50})
