"""Frozen names, brought back into a namespace. Unpickling runs code: see to it first that the folder is the reader's own
(`qhub_ext.jobfolder.outcome.require_own`).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import pickle
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from qhub_ext.capture.binding import bound_to, target_namespace
from qhub_ext.capture.manifest import Entry, Manifest, read_manifest
from qhub_ext.errors import EnvironmentMismatchError, JobFolderError, QhubError, UnknownNameError

_PACKAGE_OF = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "cv2": "opencv-python",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
    "skimage": "scikit-image",
    "qiskit_aer": "qiskit-aer",
    "qiskit_ibm_runtime": "qiskit-ibm-runtime",
}


def thaw(directory: Path, namespace: dict[str, Any], names: Iterable[str] | None = None) -> None:
    """Binds `names` (default: everything) in `namespace`; functions will find their globals there.

    What the named values need besides is bound as well, where the namespace has nothing of that name. Either all is bound
    or nothing. Raises UnknownNameError, EnvironmentMismatchError (a version or a package), JobFolderError (damaged files).
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    wanted = list(manifest.names) if names is None else list(dict.fromkeys(names))
    needed = [n for n in manifest.closure(wanted) if n in manifest.names and n not in namespace and n not in wanted]
    before = {name: namespace[name] for name in wanted if name in namespace}
    thawing = _Thawing(directory, manifest, namespace, binds=frozenset([*wanted, *needed]))
    try:
        for name in (*wanted, *needed):
            thawing.value(name)
    except BaseException:
        for name in (*wanted, *needed):
            namespace.pop(name, None)
        namespace.update(before)
        raise


def thaw_one(directory: Path, name: str, namespace: dict[str, Any] | None = None) -> Any:
    """One value, bound to nothing; its functions find their globals in `namespace` (default: `__main__`)."""
    directory = Path(directory)
    target = target_namespace() if namespace is None else namespace
    return _Thawing(directory, read_manifest(directory), target).value(name)


class _CircleError(JobFolderError):
    pass


class _Thawing:
    """`binds` are names that are put into the namespace as soon as they are there: code that runs while later values are
    restored, such as a `__setstate__` or an `__init_subclass__` of the notebook, may look for them."""

    def __init__(
        self, directory: Path, manifest: Manifest, namespace: dict[str, Any], *, binds: frozenset[str] = frozenset()
    ) -> None:
        self._directory = directory
        self._manifest = manifest
        self._namespace = namespace
        self._binds = binds
        self._values: dict[str, Any] = {}
        self._groups: dict[str, tuple[Any, ...]] = {}
        self._busy: list[str] = []
        self._checked = False

    def value(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        entry = self._manifest.names.get(name)
        if entry is None:
            if name in self._manifest.failed:
                raise UnknownNameError(f"There is no value of {name!r}: {self._manifest.failed[name]}.")
            raise UnknownNameError.among("value", name, list(self._manifest.asked))
        if name in self._busy:
            raise _CircleError(
                f"{self._directory}: {' -> '.join([*self._busy, name])} refer to each other in a circle."
            )
        self._busy.append(name)
        try:
            for need in entry.needs if self._binds else ():
                # a function may well read a name whose value holds that function
                with contextlib.suppress(_CircleError):
                    if need in self._manifest.names:
                        self.value(need)
            if name not in self._values:
                self._values[name] = self._load(name, entry)
        finally:
            self._busy.pop()
        if name in self._binds:
            self._namespace[name] = self._values[name]
        return self._values[name]

    def _load(self, name: str, entry: Entry) -> Any:
        try:
            if entry.form == "module":
                return importlib.import_module(entry.module)
            if entry.file in self._groups:
                return self._groups[entry.file][entry.member]
            data = self._read(name, entry)
            if entry.form in {"qpy", "qpy_list"}:
                from qhub_ext.capture.circuits import from_qpy

                return from_qpy(data, entry.container, entry.order)
            self._check_versions(name)
            found = self._unpickle(entry, data)
            if entry.group == 1:
                return found
            self._groups[entry.file] = found
            return found[entry.member]
        except QhubError:
            raise
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            raise EnvironmentMismatchError(
                f"`{name}` needs {package!r}, which cannot be imported here.",
                advice=f"If it is a package: pip install {_PACKAGE_OF.get(package, package)}. If it is a file of yours: keep it beside the "
                "notebook, or in a folder of `sys.path` that the job can read.",
            ) from error
        except Exception as error:  # a pickle may raise anything
            raise EnvironmentMismatchError(
                f"`{name}` ({entry.summary or entry.type}) cannot be restored here: {type(error).__name__}: {error}.",
                advice=f"It was captured with {self._captured_with()}.",
            ) from error

    def _read(self, name: str, entry: Entry) -> memoryview:
        path = self._directory / entry.file
        data = bytearray(entry.bytes)
        try:
            with path.open("rb", buffering=0) as file:
                view, filled = memoryview(data), 0
                while filled < len(data) and (count := file.readinto(view[filled:])):
                    filled += count
                whole = filled == len(data) and not file.read(1)
        except FileNotFoundError:
            raise JobFolderError(f"The file of `{name}` is missing: {path}.", where=str(path)) from None
        except (OSError, MemoryError) as error:
            raise JobFolderError(f"The file of `{name}` cannot be read: {error}.", where=str(path)) from error
        if not whole or f"sha256:{hashlib.sha256(data).hexdigest()}" != entry.digest:
            raise JobFolderError(
                f"The file of `{name}` is not what was written ({path}): its digest differs. It was not loaded.",
                advice="Submit the cell again.",
                where=str(path),
            )
        return memoryview(data)

    def _unpickle(self, entry: Entry, data: memoryview) -> Any:
        buffers = []
        for offset, length, readonly in entry.buffers:
            view = data[offset : offset + length]
            buffers.append(view.toreadonly() if readonly else view)
        had = self._namespace.get("__builtins__", self)
        try:
            with bound_to(self._namespace, self.value):
                return _Unpickler(io.BytesIO(data[: entry.stream]), buffers, self.value).load()
        finally:
            # cloudpickle puts a plain dict there
            if had is self:
                self._namespace.pop("__builtins__", None)
            else:
                self._namespace["__builtins__"] = had

    def _check_versions(self, name: str) -> None:
        if self._checked:
            return
        self._checked = True
        here = {"Python": platform.python_version(), "cloudpickle": _version("cloudpickle")}
        there = {"Python": self._manifest.python, "cloudpickle": self._manifest.packages.get("cloudpickle", "")}
        for what, captured in there.items():
            if captured and captured.split(".")[:2] != here[what].split(".")[:2]:
                raise EnvironmentMismatchError(
                    f"`{name}` was captured with {what} {captured}, here is {what} {here[what] or 'missing'}: it is not safe to load.",
                    advice=f"Use {what} {'.'.join(captured.split('.')[:2])} in both places.",
                )

    def _captured_with(self) -> str:
        packages = "".join(f", {package} {number}" for package, number in self._manifest.packages.items())
        return f"Python {self._manifest.python}{packages}"


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, buffers: list[memoryview], resolve: Any) -> None:
        super().__init__(file, buffers=buffers)
        self._resolve = resolve

    def persistent_load(self, name: Any) -> Any:
        if not isinstance(name, str):
            raise pickle.UnpicklingError("a reference that is not a name")
        return self._resolve(name)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
