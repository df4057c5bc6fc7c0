"""Values that make sense only in the process that made them, or that hold credentials: what each is, and what to do instead.

By the names of their classes alone, so that nothing is imported for it.
"""

from __future__ import annotations

import types
from typing import NamedTuple


class Stay(NamedTuple):
    """`what` it is; what to do instead where it would go along with a cell, and where it would come back from a job."""

    what: str
    along: str
    back: str

    def sentence(self, *, back: bool) -> str:
        return f"{self.what}; {self.back if back else self.along}"


_BACKEND = Stay(
    "a backend",
    "create it inside the cell: `backend()` gives the device of the tier",
    "`backend()` gives one here, too",
)
_JOB = Stay(
    "the job of a primitive, which lives where it was made",
    "take its `.result()` first, or submit it inside the cell",
    "let the cell take its `.result()`",
)
_CREDENTIALS = Stay(
    "a service with credentials",
    "inside the cell, `backend()` gives the device; the site keeps the credentials",
    "the site keeps the credentials",
)
_FILE = Stay(
    "an open file",
    "send its path, and open it inside the cell",
    "let the cell close it, and open its path in the notebook",
)
_CONNECTION = Stay("a live connection", "open it inside the cell", "let the cell keep what it read from it")
_LOCK = Stay("a lock", "create it inside the cell", "create one in the notebook")
_SIGNAL = Stay("a signal between threads", "create it inside the cell", "create one in the notebook")
_PROCESS = Stay("a running process, thread or pool", "start it inside the cell", "let the cell keep what it returned")
_GENERATOR = Stay(
    "a generator, which cannot be copied half way",
    "make a list of it, or create it inside the cell",
    "let the cell make a list of it",
)
_AWAITABLE = Stay(
    "something that waits in an event loop",
    "await it first, or create it inside the cell",
    "let the cell await it",
)
_LOOP = Stay("an event loop", "create it inside the cell", "create one in the notebook")
_FRAME = Stay(
    "a part of a running program",
    "send the values that you need of it",
    "let the cell keep the values that you need of it",
)
_WIDGET = Stay(
    "a widget, which lives in its kernel",
    "send its `.value`, or create it inside the cell",
    "let the cell keep its `.value`",
)
_ENVIRONMENT = Stay(
    "the environment, which may hold secrets",
    "read the variables that you need inside the cell",
    "let the cell keep the variables that you need",
)
_SHELL = Stay("IPython itself", "call `get_ipython()` inside the cell", "call `get_ipython()` in the notebook")

# by module and name of a class, its bases included
_STAYS: dict[str, Stay] = {
    "qiskit.providers.backend.Backend": _BACKEND,
    "qiskit.providers.backend.BackendV2": _BACKEND,
    "qiskit.providers.job.Job": _JOB,
    "qiskit.providers.job.JobV1": _JOB,
    "qiskit.primitives.base.base_primitive_job.BasePrimitiveJob": _JOB,
    "qiskit_ibm_runtime.qiskit_runtime_service.QiskitRuntimeService": _CREDENTIALS,
    "qiskit_ibm_runtime.fake_provider.local_service.QiskitRuntimeLocalService": _CREDENTIALS,
    "qiskit_ibm_runtime.session.Session": _CREDENTIALS,
    "qiskit_ibm_runtime.batch.Batch": _CREDENTIALS,
    "qiskit_ibm_runtime.api.clients.runtime.RuntimeClient": _CREDENTIALS,
    "ibm_cloud_sdk_core.authenticators.authenticator.Authenticator": _CREDENTIALS,
    "io.TextIOWrapper": _FILE,
    "_io.TextIOWrapper": _FILE,
    "_io.BufferedReader": _FILE,
    "_io.BufferedWriter": _FILE,
    "_io.BufferedRandom": _FILE,
    "_io.FileIO": _FILE,
    "tempfile._TemporaryFileWrapper": _FILE,
    "mmap.mmap": _FILE,
    "h5py._hl.files.File": _FILE,
    "zipfile.ZipFile": _FILE,
    "tarfile.TarFile": _FILE,
    "_socket.socket": _CONNECTION,
    "sqlite3.Connection": _CONNECTION,
    "sqlite3.Cursor": _CONNECTION,
    "sqlalchemy.engine.base.Engine": _CONNECTION,
    "sqlalchemy.engine.base.Connection": _CONNECTION,
    "sqlalchemy.orm.session.Session": _CONNECTION,
    "psycopg.Connection": _CONNECTION,
    "psycopg2.extensions.connection": _CONNECTION,
    "requests.sessions.Session": _CONNECTION,
    "httpx.Client": _CONNECTION,
    "httpx.AsyncClient": _CONNECTION,
    "ssl.SSLContext": _CONNECTION,
    "zmq.sugar.socket.Socket": _CONNECTION,
    "_thread.lock": _LOCK,
    "_thread.RLock": _LOCK,
    "threading.Condition": _SIGNAL,
    "threading.Event": _SIGNAL,
    "threading.Semaphore": _SIGNAL,
    "threading.Barrier": _SIGNAL,
    "threading.Thread": _PROCESS,
    "multiprocessing.process.BaseProcess": _PROCESS,
    "multiprocessing.pool.Pool": _PROCESS,
    "concurrent.futures._base.Executor": _PROCESS,
    "concurrent.futures._base.Future": _AWAITABLE,
    "subprocess.Popen": _PROCESS,
    "_asyncio.Future": _AWAITABLE,
    "_asyncio.Task": _AWAITABLE,
    "asyncio.events.AbstractEventLoop": _LOOP,
    "ipywidgets.widgets.widget.Widget": _WIDGET,
    "os._Environ": _ENVIRONMENT,
    "IPython.core.interactiveshell.InteractiveShell": _SHELL,
}
_STAYS_TYPES: dict[type, Stay] = {
    types.GeneratorType: _GENERATOR,
    types.AsyncGeneratorType: _GENERATOR,
    types.CoroutineType: _AWAITABLE,
    types.FrameType: _FRAME,
    types.TracebackType: _FRAME,
}
_PREFIXES: dict[str, Stay] = {"qrmi.": _CREDENTIALS}

_known: dict[type, Stay | None] = {}


def why_it_stays(kind: type) -> Stay | None:
    """None of what can travel."""
    try:
        return _known[kind]
    except KeyError:
        pass
    except TypeError:  # a metaclass without a hash
        return None
    found = _STAYS_TYPES.get(kind)
    for base in kind.__mro__ if found is None else ():
        full = f"{base.__module__}.{base.__qualname__}"
        found = _STAYS.get(full) or next((r for p, r in _PREFIXES.items() if full.startswith(p)), None)
        if found:
            break
    if len(_known) > 10_000:  # notebooks that make classes in a loop
        _known.clear()
    _known[kind] = found
    return found
