"""qhub_ext: run a quantum cell, unchanged, on this machine, in emulation, or on the device, as a batch job of the site.

    %load_ext qhub_ext

    %%qpu --tier emulation --shots 4000
    counts = Sampler().run([isa]).result()[0].data.meas.get_counts()

Importing this package imports nothing heavy: the public names are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from qhub_ext.primitives import Estimator, Sampler, backend
    from qhub_ext.primitives.sequences import PulserBackend, pulser_device
    from qhub_ext.service import Job, JobService, submit, submit_notebook
    from qhub_ext.telemetry.user import span

_HOMES = {
    "Sampler": "qhub_ext.primitives",
    "Estimator": "qhub_ext.primitives",
    "backend": "qhub_ext.primitives",
    "PulserBackend": "qhub_ext.primitives.sequences",
    "pulser_device": "qhub_ext.primitives.sequences",
    "Job": "qhub_ext.service",
    "JobService": "qhub_ext.service",
    "span": "qhub_ext.telemetry.user",
    "submit": "qhub_ext.service",
    "submit_notebook": "qhub_ext.service",
}

__all__ = [
    "Estimator",
    "Job",
    "JobService",
    "PulserBackend",
    "Sampler",
    "__version__",
    "backend",
    "pulser_device",
    "span",
    "submit",
    "submit_notebook",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext qhub_ext`"""
    from qhub_ext.magics import register

    register(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from qhub_ext.server.app import QhubExtApp

    return [{"module": "qhub_ext", "app": QhubExtApp}]
