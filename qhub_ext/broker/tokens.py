"""Tokens that outlive the broker's process: they say whose session and until when, under a seal that only the broker can make."""

from __future__ import annotations

import hashlib
import hmac


class TokenSeal:
    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, session_id: str, until: float) -> str:
        """`until` in s since 1970 UTC."""
        content = f"{session_id}.{int(until)}"
        return f"{content}.{self._sign(content)}"

    def open(self, token: str, now: float) -> str:
        """The session's id; "" for a token that is not ours or whose time is over."""
        content, _, sign = token.rpartition(".")
        session_id, _, until = content.rpartition(".")
        if not hmac.compare_digest(sign.encode(), self._sign(content).encode()) or not until.isdigit():
            return ""
        return session_id if now < int(until) else ""

    def _sign(self, content: str) -> str:
        return hmac.new(self._secret, content.encode(errors="replace"), hashlib.sha256).hexdigest()
