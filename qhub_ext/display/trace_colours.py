"""A colour for each kind of span, readable on white and on black; neighbours in a trace differ in lightness as well."""

KIND_COLOURS = {
    "queue": "#9a9a9a",
    "capture": "#b5b5b5",
    "submit": "#b5b5b5",
    "start": "#8d99ae",
    "environment": "#6b8fb3",
    "classical": "#4f9fae",
    "element": "#4f9fae",
    "transpile": "#a8a04e",
    "broker_queue": "#c9a0b8",
    "device_queue": "#b07aa1",
    "transport": "#e08a2e",
    "quantum": "#7b5ea7",
    "return": "#6f9d6a",
}
PART_COLOURS = {
    "submission": KIND_COLOURS["submit"],
    "site queue": KIND_COLOURS["queue"],
    "unaccounted": "#d9d9d9",
    **{kind.replace("_", " "): colour for kind, colour in KIND_COLOURS.items()},
}


def colour_of(kind: str) -> str:
    return KIND_COLOURS.get(kind, "#888888")
