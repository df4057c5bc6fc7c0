"""What a page fetches of ours before any of it shows."""

from __future__ import annotations

import gzip
from pathlib import Path

LIMIT = 100_000


def test_the_front_end_is_under_100_kb_gzipped() -> None:
    files = sorted((Path(__file__).parents[2] / "qhub_ext" / "labextension" / "static").glob("*.js"))
    assert files, "The front end is not built: `make front`."
    sizes = {f.name: len(gzip.compress(f.read_bytes(), 9)) for f in files}
    assert sum(sizes.values()) < LIMIT, sizes
