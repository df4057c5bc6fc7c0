"""The one place that turns errors into HTTP: in the shape of the vendor's service, with ours beside."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.refusals import ConflictError, NotAllowedError, UnknownCallerError
from qhub_ext.broker.slips import UnfitRequestError, explain_slips
from qhub_ext.errors import DeviceError, QhubError, SiteUnreachableError, UnknownNameError, UserError
from qhub_ext.tiers.qpu import qcs


class Refusal(BaseModel):
    """How everything that is not answered is told; a refusal without a cause has the vendor's part and the message alone."""

    errors: list[dict[str, Any]]
    message: str
    error: str = ""
    advice: str = ""
    where: str = ""
    cause: str = ""
    audience: str = ""


REFUSED: dict[int | str, dict[str, Any]] = {
    422: {"description": "Which field of the request, what it was, and what would be accepted.", "model": Refusal}
}
"""For the description of the API."""


def refusal(code: int, message: str, error: QhubError | None = None) -> Response:
    """In the vendor's shape, with ours beside."""
    ours = error.to_json() if error is not None else {"message": message}
    return JSONResponse({**qcs.error_body(code, message), **ours}, status_code=code)


def status_of(error: QhubError) -> int:
    for kind, code in _STATUS:
        if isinstance(error, kind):
            return code
    return 503 if error.transient else 502 if isinstance(error, DeviceError) else 500


_STATUS: tuple[tuple[type[QhubError], int], ...] = (
    (UnknownNameError, 404),
    (ConflictError, 409),
    (UnknownCallerError, 401),
    (NotAllowedError, 403),
    (LedgerError, 503),
    (SiteUnreachableError, 503),
    (UserError, 400),
)


def add_refusals(app: FastAPI) -> None:
    @app.exception_handler(QhubError)
    async def refused(_: Request, error: QhubError) -> Response:
        return refusal(status_of(error), str(error), error)

    @app.exception_handler(RequestValidationError)
    async def not_taken(request: Request, error: RequestValidationError) -> Response:
        body = getattr(request.scope.get("route"), "body_field", None)
        takes = [] if body is None else list(body.field_info.annotation.model_fields)
        told = explain_slips(error.errors(), takes)
        return refusal(422, str(told), told)

    @app.exception_handler(HTTPException)
    async def nothing_there(request: Request, error: HTTPException) -> Response:
        """Of an address or a verb that there is not, and of a body that cannot be read."""
        told = {
            404: f"There is nothing at {request.url.path}.",
            405: f"{request.method} is not taken at {request.url.path}.",
            400: "The body is no JSON that can be read.",
        }.get(error.status_code, error.detail)
        answer = refusal(
            error.status_code, told, UnfitRequestError(told, advice="GET /openapi.json describes what is.")
        )
        answer.headers.update(error.headers or {})
        return answer
