"""What a page fetches of ours: how much it is, and that it says the same as the kernel."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from qhub_ext.display.trace_colours import KIND_COLOURS

LIMIT = 100_000


def test_the_front_end_is_under_100_kb_gzipped() -> None:
    files = sorted((Path(__file__).parents[2] / "qhub_ext" / "labextension" / "static").glob("*.js"))
    assert files, "The front end is not built: `make front`."
    sizes = {f.name: len(gzip.compress(f.read_bytes(), 9)) for f in files}
    assert sum(sizes.values()) < LIMIT, sizes


def test_a_kind_of_span_has_the_same_colour_in_the_job_view_as_in_the_kernel() -> None:
    front = Path(__file__).parents[2] / "labextension"
    palette = (front / "node_modules" / "@jupyterlab" / "apputils" / "style" / "materialcolors.css").read_text()
    colours = dict(re.findall(r"(--md-[\w-]+): (#\w+);", palette))
    style = (front / "style" / "job.css").read_text()
    for kind, colour in KIND_COLOURS.items():
        rule = re.search(rf"\.qhub-kind-{kind.replace('_', '-')}\b[^{{]*{{\s*--qhub-kind: var\((\S+)\);", style)
        assert rule is not None, kind
        assert colours[rule[1]] == colour, kind
