"""What all handlers share: who may, what was asked, how it is answered, and how errors leave."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from qhub_ext.errors import InvalidOptionError, QhubError, UnknownNameError
from qhub_ext.job.identity import is_job_id
from qhub_ext.server.desk import Desk
from qhub_ext.server.monitor import Monitor
from qhub_ext.server.replies import body_of, status_of, to_bytes

JOBS, DEVICES, SITE, FLEET = "qhub_ext:jobs", "qhub_ext:devices", "qhub_ext:site", "qhub_ext:fleet"
"""Resources that an Authorizer is asked about; the last is what operators look at, of everybody's jobs."""

LONGEST_NAME = 100

P = ParamSpec("P")
H = TypeVar("H", bound="QhubHandler")


def may(action: str, resource: str) -> Callable[[Callable[Concatenate[H, P], Awaitable[None]]], Any]:
    """Who is logged in, and whom the Authorizer lets do this: the same two questions before every verb.

    `resource` is named each time, because a bare `@authorized` remembers that of the first handler which it served.
    """

    def wrap(verb: Callable[Concatenate[H, P], Awaitable[None]]) -> Any:
        checked: Any = functools.wraps(verb)(web.authenticated(authorized(action=action, resource=resource)(verb)))
        checked.asks = (action, resource)
        return checked

    return wrap


class QhubHandler(APIHandler):
    @property
    def desk(self) -> Desk:
        return self.settings["qhub_desk"]

    @property
    def monitor(self) -> Monitor:
        return self.desk.monitor

    async def may(self, action: str, resource: str = JOBS) -> bool:
        return bool(await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, resource)))

    def update_api_activity(self) -> None:
        """A page that only looks does not keep the server from being culled as idle."""
        if self.request.method != "GET":
            super().update_api_activity()

    def reply(self, body: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(to_bytes(body))

    def created(self, body: dict[str, Any], *, is_new: bool = True) -> None:
        """The answer to a submission; 200 for one that was there already."""
        self.set_header("Location", f"{self.base_url}qhub_ext/jobs/{body['id']}")
        self.reply(body, 201 if is_new else 200)

    async def stream(self, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        """Piece by piece, no faster than the client reads; ends when it goes away."""
        async with contextlib.aclosing(pieces) as open_pieces:  # type: ignore[type-var]
            with contextlib.suppress(StreamClosedError):
                async for piece in open_pieces:
                    if not self._headers_written:
                        self.set_header("Content-Type", content_type)
                        self.set_header("X-Accel-Buffering", "no")
                    if self.request.connection is None or self._gone:
                        return
                    self.write(piece)
                    await self.flush()
                self.finish()

    _gone = False

    def on_connection_close(self) -> None:
        self._gone = True

    # -- what was asked

    def job(self, text: str) -> str:
        """A job's id out of the path. Raises UnknownNameError for what cannot be one."""
        if not is_job_id(text):
            raise UnknownNameError(f"There is no job {text[:80]!r}.", advice="A job is named by its full id here.")
        return text

    def device(self, text: str) -> str:
        """A device's name out of the path. Raises UnknownNameError for what cannot be one."""
        if not text.isprintable() or len(text) > LONGEST_NAME:
            raise UnknownNameError(f"There is no device {text[:80]!r}.")
        return text

    def whole(self, name: str, default: int, least: int = 0, most: int = 2**53) -> int:
        """A whole number of the query."""
        text = self.get_query_argument(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 18 and least <= int(text) <= most):
            limit = f" to {most}" if most < 2**53 else " on"
            raise InvalidOptionError(
                f"{name} {text[:80]!r} is not accepted.", advice=f"A whole number from {least}{limit}."
            )
        return int(text)

    def one_of(self, name: str, known: tuple[str, ...]) -> list[str]:
        """All values of a parameter that may be repeated, each one of `known`."""
        values = self.get_query_arguments(name)
        for value in values:
            if value not in known:
                raise InvalidOptionError(
                    f"{name} {value[:80]!r} is not accepted.", advice=f"One of {', '.join(known)}."
                )
        return values

    def flag(self, name: str) -> bool:
        return bool(self.whole(name, 0, 0, 1))

    def body(self) -> dict[str, Any]:
        """The JSON object of the request. Raises InvalidOptionError."""
        try:
            found = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise InvalidOptionError(f"The body is not JSON: {error}.") from None
        if not isinstance(found, dict):
            raise InvalidOptionError("The body is not a JSON object.")
        return found

    # -- how errors leave

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Called by tornado with whatever a verb raised."""
        error = kwargs.get("exc_info", (None, None))[1] or web.HTTPError(status_code)
        self.clear()
        self.set_status(status_of(error))
        self.reply(body_of(error), status_of(error))

    def log_exception(self, kind: Any, value: BaseException | None, trace: Any) -> None:
        """What is the user's or the site's to mend is one line of the log; a bug of ours is all of it."""
        if isinstance(value, QhubError) and status_of(value) < 500:
            return
        if isinstance(value, QhubError):
            self.log.warning("qhub_ext: %s %s: %s", self.request.method, self.request.path, value)
            return
        super().log_exception(kind, value, trace)


class UnknownPage(QhubHandler):
    """Whatever else is asked below `qhub_ext/`."""

    @may("read", SITE)
    async def get(self) -> None:
        raise web.HTTPError(404, "There is no such page of qhub_ext.")

    head = post = put = patch = delete = get
