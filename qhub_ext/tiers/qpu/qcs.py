"""How IBM's quantum compute service looks from outside: for those of ours that speak as it does, and for who points the genuine client at them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

TYPE = "ibm-quantum-compute-service"
TOKEN_S = 3600
"""Seconds that a token is good for."""


def client_config(url: str, key: str, instance: str) -> dict[str, str]:
    """The keys of QRMI for a server of ours at `url`; `instance` stands for the service instance in the CRN."""
    return {
        "QRMI_IBM_QCS_ENDPOINT": f"{url}/api/v1",
        "QRMI_IBM_QCS_IAM_ENDPOINT": url,
        "QRMI_IBM_QCS_IAM_APIKEY": key,
        "QRMI_IBM_QCS_SERVICE_CRN": f"crn:v1:{instance}",
    }


def read_apikey(form: bytes) -> str:
    """From the body of a request for a token; "" where it has none."""
    return dict(parse_qsl(form.decode(errors="replace"))).get("apikey", "")


def token_answer(token: str, now: float) -> dict[str, Any]:
    """`now` in s since 1970 UTC."""
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": TOKEN_S,
        "expiration": int(now) + TOKEN_S,
    }


def error_body(code: int, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, "more_info": ""}]}
