"""Who calls over TCP: a user's MUNGE credential, bound to the one request that it is for, or a token that an operator made for a user."""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from qhub_ext.broker.database import translated
from qhub_ext.broker.refusals import UnknownCallerError
from qhub_ext.errors import SettingsError, UnknownNameError
from qhub_ext.tiers.qpu import munge


def uid_of_credential(credential: str, method: str, target: str, body: bytes, socket: Path | None) -> int:
    """Raises UnknownCallerError."""
    try:
        uid, content = munge.decode(credential, socket)
    except munge.MungeError as error:
        raise UnknownCallerError(error.message, advice=error.advice) from None
    if not hmac.compare_digest(content, munge.bound_to(method, target, body)):
        raise UnknownCallerError("The MUNGE credential was made for another request.")
    return uid


class Tokens:
    """In a file of mode 0600 with lines `USER DIGEST`: who reads it can make nothing of it. One token per user.

    Whoever orders one made or taken back says it (`told`) before the file changes: no token without its line in the audit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read()

    def uid(self, token: str) -> int | None:
        """Looks at all of them, whichever it is, so that the time tells nothing."""
        digest, found = _digest(token), None
        for user, known in self._read().items():
            if hmac.compare_digest(digest, known):
                found = user
        try:
            return None if found is None else pwd.getpwnam(found).pw_uid
        except KeyError:
            return None

    def make(self, user: str, told: Callable[[], None] = lambda: None) -> str:
        """In the place of the one before. Raises UnknownNameError."""
        try:
            pwd.getpwnam(user)
        except (KeyError, ValueError):
            raise UnknownNameError(f"This host knows no user {user!r}.") from None
        token = f"qhub_{secrets.token_urlsafe(32)}"
        told()
        with self._lock:
            self._write({**self._read(), user: _digest(token)})
        return token

    def revoke(self, user: str, told: Callable[[], None] = lambda: None) -> None:
        with self._lock:
            known = self._read()
            if user not in known:
                raise UnknownNameError(f"{user!r} has no token.")
            told()
            del known[user]
            self._write(known)

    def users(self) -> list[str]:
        return sorted(self._read())

    def _read(self) -> dict[str, str]:
        try:
            mode = self.path.stat().st_mode & 0o777
        except FileNotFoundError:
            return {}
        if mode & 0o077:
            raise SettingsError(f"{self.path} has the mode {mode:04o}: others can read it.", advice=f"chmod 600 {self.path}")  # fmt: skip
        pairs = [line.split() for line in self.path.read_text(errors="replace").splitlines() if line.strip()]
        if not all(len(pair) == 2 for pair in pairs):
            raise SettingsError(f"{self.path} has a line that is not `USER DIGEST`.")
        return {pair[0]: pair[1] for pair in pairs}

    def _write(self, known: dict[str, str]) -> None:
        beside = self.path.with_name(f".{self.path.name}.new")
        with translated(str(self.path)):
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.writelines(f"{user} {digest}\n" for user, digest in sorted(known.items()))
            beside.replace(self.path)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
