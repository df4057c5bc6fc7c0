"""The sentence for a setting that is not accepted: where it stands, what it is, what would be accepted."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qhub_ext.errors import SettingsError
from qhub_ext.nearest import nearest
from qhub_ext.settings.knobs import describe_settings, describe_tables

_NAMED = 5
"""So many further settings are named; of more, the number is told."""
# pydantic speaks of Python's kinds
_PLAIN = {
    "tuple_type": "input should be a list, such as ['one', 'two']",
    "list_type": "input should be a list, such as ['one', 'two']",
    "dict_type": "input should be a table of names and values, such as { name = 'value' }",
    "model_type": "input should be a table of names and values",
}


def explain_refusal(error: ValidationError, origin: dict[tuple[str, ...], str]) -> SettingsError:
    """Of the first that is not accepted, with the names of the others."""
    first, *others = error.errors()
    told = _explain(first, origin)
    names = list(dict.fromkeys(".".join(map(str, other["loc"])) for other in others))
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        verb = "is" if len(names) == 1 else "are"
        told.message = f"{told.message} Nor {verb} accepted: {', '.join(names[:_NAMED])}{more}."
    return told


def _explain(first: ErrorDetails, origin: dict[tuple[str, ...], str]) -> SettingsError:
    path = tuple(str(part) for part in first["loc"])
    source = next((origin[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origin), "the settings")
    dotted = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = [name for name, _, _ in describe_settings()]
        inside = [
            f"{table}.{path[table.count('.') + 1]}.{key}"
            for table, key, _ in describe_tables()
            if dotted.startswith(f"{table}.")
        ]
        near = nearest(dotted, inside or known)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known keys: {', '.join(known)}."
        return SettingsError(f"{source}: there is no setting {dotted!r}.", advice=hint, where=source)
    if first["type"] == "value_error":  # a whole section, whose values do not go together
        return SettingsError(f"{source}: {dotted}: {first['ctx']['error']}.", where=source)
    said = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    return SettingsError(
        f"{source}: {dotted} = {first['input']!r} is not accepted: {_PLAIN.get(first['type'], said)}.",
        where=source,
    )
