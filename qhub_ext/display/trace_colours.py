"""A colour for each kind of span, readable on white and on black; neighbours in a trace differ in lightness as well.

Of the Material palette, as JupyterLab has it: the front end names the same ones by their variables (labextension/style/job.css).
"""

KIND_COLOURS = {
    "queue": "#9e9e9e",
    "capture": "#bdbdbd",
    "submit": "#bdbdbd",
    "start": "#90a4ae",
    "environment": "#607d8b",
    "classical": "#00acc1",
    "element": "#00acc1",
    "transpile": "#afb42b",
    "broker_queue": "#ce93d8",
    "device_queue": "#ba68c8",
    "transport": "#fb8c00",
    "quantum": "#7e57c2",
    "return": "#66bb6a",
}
PART_COLOURS = {
    "submission": KIND_COLOURS["submit"],
    "site queue": KIND_COLOURS["queue"],
    "unaccounted": "#e0e0e0",
    **{kind.replace("_", " "): colour for kind, colour in KIND_COLOURS.items()},
}


def colour_of(kind: str) -> str:
    return KIND_COLOURS.get(kind, "#888888")
