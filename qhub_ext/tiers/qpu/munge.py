"""MUNGE: a credential that only a user of this site can make, that says who it was, and that its daemon takes once (libmunge, by ctypes)."""

from __future__ import annotations

import ctypes
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from qhub_ext.errors import Audience, Cause, QhubError

_SOCKET = 8  # MUNGE_OPT_SOCKET in munge.h
_EXPIRED, _REWOUND, _REPLAYED = 15, 16, 17
_WORDS = {_EXPIRED: "it is too old", _REWOUND: "it comes from the future", _REPLAYED: "it was used before"}


class MungeError(QhubError):
    """No credential can be made here, or one does not hold. `refused`: the daemon looked at it and said no."""

    cause = Cause.INTEGRATION
    audience = Audience.SITE

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message, advice="See whether munged runs on both hosts, with the same key.")
        self.refused = refused


def bound_to(method: str, target: str, body: bytes) -> bytes:
    """What a credential is made for: caught on the way, it is good for nothing else."""
    return b"\n".join([b"qhub-broker:1", method.encode(), target.encode(), hashlib.sha256(body).hexdigest().encode()])


def encode(content: bytes, socket: Path | None = None) -> str:
    """A credential of this process's user. Raises MungeError."""
    library, context = _library(), _context(socket)
    made = ctypes.c_char_p()
    try:
        code = library.munge_encode(ctypes.byref(made), context, content, len(content))
        if code:
            raise MungeError(f"MUNGE makes no credential: {_told(context, code)}.")
        return (made.value or b"").decode("ascii")
    finally:
        _free(made)
        library.munge_ctx_destroy(context)


def decode(credential: str, socket: Path | None = None) -> tuple[int, bytes]:
    """(uid, content). Raises MungeError; its words are fit for whoever sent it."""
    library, context = _library(), _context(socket)
    content, length = ctypes.c_void_p(), ctypes.c_int()
    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
    try:
        code = library.munge_decode(
            credential.encode("ascii", "replace"), context, ctypes.byref(content), ctypes.byref(length), ctypes.byref(uid), ctypes.byref(gid)
        )  # fmt: skip
        if code:
            raise MungeError(f"The MUNGE credential is refused: {_told(context, code)}.", refused=code > 7 or code == 2)
        return uid.value, ctypes.string_at(content, length.value) if content.value else b""
    finally:
        _free(content)
        library.munge_ctx_destroy(context)


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        library = ctypes.CDLL("libmunge.so.2")
    except OSError:
        raise MungeError("There is no MUNGE on this host (libmunge.so.2).") from None
    library.munge_ctx_create.restype = ctypes.c_void_p
    library.munge_ctx_destroy.argtypes = [ctypes.c_void_p]
    library.munge_ctx_strerror.argtypes = [ctypes.c_void_p]
    library.munge_ctx_strerror.restype = ctypes.c_char_p
    library.munge_strerror.restype = ctypes.c_char_p
    library.munge_encode.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.munge_decode.argtypes = [ctypes.c_char_p, ctypes.c_void_p, *[ctypes.c_void_p] * 4]
    return library


def _context(socket: Path | None) -> ctypes.c_void_p:
    library = _library()
    context = ctypes.c_void_p(library.munge_ctx_create())
    if socket is not None:
        library.munge_ctx_set(context, ctypes.c_int(_SOCKET), ctypes.c_char_p(str(socket).encode()))
    return context


def _told(context: ctypes.c_void_p, code: int) -> str:
    library = _library()
    words = library.munge_ctx_strerror(context) or library.munge_strerror(code) or b""
    return _WORDS.get(code) or words.decode(errors="replace")


def _free(pointer: ctypes.c_char_p | ctypes.c_void_p) -> None:
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free(ctypes.cast(pointer, ctypes.c_void_p))
