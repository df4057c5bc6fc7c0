"""Which values are still what they were when they were thawed? These need not travel back.

Nothing is looked at before the cell runs. Afterwards a value is frozen again, and the digests tell; of large arrays that costs
their hash and no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qhub_ext.capture.fingerprint import fingerprint
from qhub_ext.capture.freeze import freeze
from qhub_ext.capture.manifest import Entry, read_manifest
from qhub_ext.capture.thaw import thaw_one

_MIB = 1 << 20


def unchanged(names: Iterable[str], directory: Path, namespace: Mapping[str, Any]) -> set[str]:
    """Those of `names` that were thawed from `directory` and surely are the same still, with all that they need."""
    before = read_manifest(directory)
    wanted = [name for name in names if name in before.names]
    needed = set(before.closure(wanted))
    # in the order of then, because a value is written by the first of its names
    together = [name for name in before.names if name in needed and name in namespace]
    sizes = {entry.file: entry.bytes for name, entry in before.names.items() if name in needed}
    room = sum(sizes.values()) / _MIB + 1  # what has grown beyond it has changed
    main = namespace if isinstance(namespace, dict) else None
    after = freeze(together, namespace, limit_mb=room, main=main).manifest.names
    same: dict[str, bool] = {}

    def is_same(name: str) -> bool:
        if name not in same:
            then, now = before.names.get(name), after.get(name)
            same[name] = then is not None and now is not None and _equal(name, then, now)
        return same[name]

    def _equal(name: str, then: Entry, now: Entry) -> bool:
        if then.form != now.form or then.needs != now.needs or (then.member, then.group) != (now.member, now.group):
            return False
        if then.form == "module":
            return then.module == now.module
        if then.digest == now.digest and then.order == now.order:
            return True
        if then.form == "pickle":
            return False
        as_it_was = {name: thaw_one(directory, name)}  # QPY of one circuit differs from time to time
        return fingerprint([name], as_it_was) == fingerprint([name], namespace)

    return {name for name in wanted if all(map(is_same, before.closure([name])))}
