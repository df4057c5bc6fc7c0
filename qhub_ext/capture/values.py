"""What a value is, how large it is, and whether it can travel: by looks alone, so that nothing is imported for it."""

from __future__ import annotations

import sys
import types
from typing import Any, NamedTuple


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

_MIB = 1 << 20
_known: dict[type, Stay | None] = {}


def why_it_stays(kind: type) -> Stay | None:
    """For values that make sense only in this process, or that hold credentials."""
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


def left_behind(name: str, why: str) -> str:
    """That a variable did not come back from a job, saying its name once; `why` begins with it."""
    why = f"it {why.removeprefix(f'`{name}` ')}" if why.startswith(f"`{name}` ") else why
    return f"`{name}` did not come back: {why.removesuffix('.')}."


def type_name(value: Any) -> str:
    kind = type(value)
    if kind.__module__ in {"builtins", "__main__", None}:
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def summarise(value: Any) -> str:
    """A few words: `ndarray float64 (1000, 3)`, `QuantumCircuit 20 qubits, 749 operations`, `DataFrame 100 x 4`."""
    try:
        return _summary(value)
    except Exception:  # noqa: BLE001 - a summary is a courtesy: an odd class must not stop a capture
        return type(value).__name__


def _summary(value: Any) -> str:
    kind = type(value)
    name = kind.__name__
    if value is None or kind in (bool, int, float, complex):
        text = repr(value) if kind is not int or value.bit_length() < 200 else f"{value.bit_length()} bits"
        return f"{name} {text}" if value is not None else "None"
    if kind in (str, bytes, bytearray):
        shown = value if len(value) <= 32 else value[:29]
        more = "" if len(value) <= 32 else f"... ({len(value)})"
        return f"{name} {shown!r}{more}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return f"class {value.__qualname__}"
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        return f"function {value.__qualname__}"
    if kind in (list, tuple, set, frozenset, dict):
        return _container(value, name)
    module = str(kind.__module__).partition(".")[0]
    if hasattr(kind, "count_ops") and hasattr(kind, "num_qubits"):
        return f"{name} {value.num_qubits} qubits, {_thousands(sum(value.count_ops().values()))} operations"
    if module == "pandas" and hasattr(kind, "shape"):
        return f"{name} {' x '.join(_thousands(n) for n in value.shape)}"
    if hasattr(kind, "dtype") and hasattr(kind, "shape"):
        return f"{name} {value.dtype} {tuple(value.shape)}" if value.shape else f"{name} {value}"
    if module == "qiskit" and hasattr(kind, "num_qubits"):
        terms = f", {_thousands(len(value))} terms" if hasattr(kind, "coeffs") else ""
        return f"{name} {value.num_qubits} qubits{terms}"
    if hasattr(kind, "__len__"):
        return f"{name} of {_items(len(value))}"
    return name


def _container(value: Any, name: str) -> str:
    kinds = {type(item).__name__ for _, item in zip(range(1000), value, strict=False)}
    return f"{name} of {_items(len(value))}" + (f", all {kinds.pop()}" if len(kinds) == 1 else "")


def estimate_bytes(value: Any, depth: int = 3) -> int:
    """What a value takes at least, in bytes, without touching its contents; 0 where that cannot be told."""
    kind = type(value)
    if kind in (bytes, bytearray, str):
        return len(value)
    if kind in (list, tuple, set, frozenset, dict):
        if depth == 0 or not value:
            return len(value)
        items = list(value.values()) if kind is dict else value
        sample = [estimate_bytes(item, depth - 1) for _, item in zip(range(2000), items, strict=False)]
        return len(value) + sum(sample) * len(value) // len(sample)
    try:
        size = getattr(value, "nbytes", None)
        if isinstance(size, int):
            return size
        if kind.__module__.startswith("pandas"):
            usage = value.memory_usage()
            return int(getattr(usage, "sum", lambda: usage)())
        if kind.__module__.startswith("scipy.sparse"):
            return sum(getattr(value, part).nbytes for part in ("data", "indices", "indptr") if hasattr(value, part))
    except Exception:  # noqa: BLE001 - an estimate may be wrong, never in the way
        return 0
    return 0


def megabytes(size: int) -> str:
    """`512 B`, `43.7 kB`, `268 MB`: powers of ten, three digits."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def mebibytes(size: int) -> str:
    """`0.25 MiB`, `256 MiB`: as limits are set."""
    return f"{size / _MIB:.3g} MiB" if size < 1000 * _MIB else f"{size / _MIB:.0f} MiB"


def version_of(package: str) -> str | None:
    """Of a package that this process has imported; None otherwise."""
    version = getattr(sys.modules.get(package), "__version__", None)
    return version if isinstance(version, str) else None


def _items(count: int) -> str:
    return f"{count:,} item{'' if count == 1 else 's'}"


def _thousands(number: int) -> str:
    return f"{number:,}"
