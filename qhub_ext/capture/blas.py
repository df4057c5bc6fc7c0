"""Which libraries do the linear algebra (BLAS), told by their files: nothing is imported, and nothing is loaded.

A wheel brings its own in a folder beside it (`numpy.libs/libscipy_openblas64_-32a4b2a6.so`), named by a digest of its content. numpy of conda or
of the operating system takes that of its prefix or of the host, which a chain of links chooses.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import sysconfig
from collections.abc import Collection

_BLAS = re.compile(r"blas|mkl_rt|blis|armpl|libflame", re.IGNORECASE)
_SHARED = ("libcblas.so.3", "libblas.so.3")


def blas_in(folder: str, names: Collection[str]) -> dict[str, str]:
    """{"numpy": "libscipy_openblas64_-32a4b2a6.so"} for the packages in a folder of the path. `names` is what lies in it."""
    found = {}
    for name in names:
        if name.endswith(".libs"):
            with contextlib.suppress(OSError):
                brought = sorted(file for file in os.listdir(os.path.join(folder, name)) if _BLAS.search(file))
                if brought:
                    found[name.removesuffix(".libs")] = ", ".join(brought)
    if "numpy" in names and "numpy" not in found and (shared := _shared_blas()):
        found["numpy"] = shared
    return found


def _shared_blas() -> str:
    """That of the prefix (conda) or of the host (Debian's alternatives), where its links lead to."""
    host = str(sysconfig.get_config_var("MULTIARCH") or "")
    for place in (os.path.join(sys.prefix, "lib"), f"/usr/lib/{host}", "/usr/lib64", "/usr/lib"):
        for name in _SHARED:
            path = os.path.join(place, name)
            if os.path.exists(path):
                return os.path.realpath(path)
    return ""
