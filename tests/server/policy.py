"""An Authorizer that a test tells what to allow, and that remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_server.auth import Authorizer


class Policy(Authorizer):
    allow: Callable[[str, str], bool] = staticmethod(lambda action, resource: True)
    asked: list[tuple[str, str]]

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.asked = []

    def is_authorized(self, handler: object, user: object, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return self.allow(action, resource)
