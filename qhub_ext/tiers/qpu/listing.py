"""Which tasks of this account are on a device: the one question that QRMI does not have, asked of the services themselves.

It changes nothing there. IBM's quantum compute service: GET /jobs and /jobs/ID of its public API. Pasqal's cloud: GET
/core-fast/api/v1/batches, /v2/batches/ID and /v2/jobs, as pasqal-cloud 0.24 sends them (pasqal_cloud/http_client.py). IQM's servers have no such
address. Imported by the helper process alone; standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

Config = Mapping[str, str]
Task = dict[str, Any]
"""`id`, `status` in QRMI's words, `content`: what it was made of, as its digest was taken when it was sent."""

PAGE, PAGES = 100, 20
_PASQALS_WORDS = {
    "PENDING": "Queued",
    "RUNNING": "Running",
    "CANCELING": "Running",
    "DONE": "Completed",
    "ERROR": "Failed",
    "CANCELED": "Cancelled",
    "TIMED_OUT": "Failed",
}


def list_tasks(kind: str, device: str, config: Config, since: str, until: str) -> list[Task]:
    """Those that were made between two moments (ISO 8601)."""
    return {"ibm-quantum-compute-service": _of_ibm, "pasqal-cloud": _of_pasqal}[kind](device, config, since, until)


def _of_ibm(device: str, config: Config, since: str, until: str) -> list[Task]:
    key = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": config["QRMI_IBM_QCS_IAM_APIKEY"]}
    token = fetch(f"{config['QRMI_IBM_QCS_IAM_ENDPOINT']}/identity/token", {}, key)["access_token"]
    headers = {
        "authorization": f"Bearer {token}",
        "service-crn": config["QRMI_IBM_QCS_SERVICE_CRN"],
        "ibm-api-version": "2025-01-01",
    }
    asked = {"backend": device, "created_after": since, "created_before": until, "limit": 200, "exclude_params": "true"}
    url = f"{config['QRMI_IBM_QCS_ENDPOINT']}/jobs"
    jobs = [
        fetch(f"{url}/{job['id']}?exclude_params=false", headers)
        for job in fetch(f"{url}?{urlencode(asked)}", headers)["jobs"]
    ]
    return [
        {
            "id": job["id"],
            "status": str(job.get("status") or ""),
            "content": (job.get("params") or {}).get("pubs") or [],
        }
        for job in jobs
    ]


def _of_pasqal(device: str, config: Config, since: str, until: str) -> list[Task]:
    base = config.get("QRMI_PASQAL_CLOUD_BASE_URL") or "https://apis.pasqal.cloud"
    headers = {"authorization": f"Bearer {_pasqals_token(config)}"}
    asked: dict[str, Any] = {"device_type": device, "start_date": since, "end_date": until, "limit": PAGE}
    if config.get("QRMI_PASQAL_CLOUD_PROJECT_ID"):
        asked["project_id"] = config["QRMI_PASQAL_CLOUD_PROJECT_ID"]
    found: list[Task] = []
    for page in range(PAGES):
        batches = fetch(f"{base}/core-fast/api/v1/batches?{urlencode({**asked, 'offset': page * PAGE})}", headers)[
            "data"
        ]
        for batch in batches:
            whole = fetch(f"{base}/core-fast/api/v2/batches/{batch['id']}", headers)["data"]
            jobs = fetch(f"{base}/core-fast/api/v2/jobs?{urlencode({'batch_id': batch['id']})}", headers)["data"]
            runs = jobs[0].get("runs") if len(jobs) == 1 else None
            status = _PASQALS_WORDS.get(str(whole.get("status")), "")
            found.append({"id": batch["id"], "status": status, "content": [whole.get("sequence_builder"), runs]})
        if len(batches) < PAGE:
            break
    return found


def _pasqals_token(config: Config) -> str:
    if config.get("QRMI_PASQAL_CLOUD_AUTH_TOKEN"):
        return config["QRMI_PASQAL_CLOUD_AUTH_TOKEN"]
    if not config.get("QRMI_PASQAL_CLOUD_CLIENT_SECRET"):
        raise PermissionError("tasks are listed with a service account or a token, and it is configured with neither")
    endpoint = config.get("QRMI_PASQAL_CLOUD_AUTH_ENDPOINT") or "authenticate.pasqal.cloud/oauth/token"
    account = {
        "grant_type": "client_credentials",
        "client_id": config["QRMI_PASQAL_CLOUD_CLIENT_ID"],
        "client_secret": config["QRMI_PASQAL_CLOUD_CLIENT_SECRET"],
        "audience": "https://apis.pasqal.cloud/account/api/v1",
    }
    return str(fetch(endpoint if "://" in endpoint else f"https://{endpoint}", {}, account)["access_token"])


def fetch(url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> Any:
    """The JSON of an answer; with a form, of a POST. Raises OSError, ValueError."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no address")
    data = None if form is None else urlencode(form).encode()
    with urlopen(Request(url, data, {"accept": "application/json", **headers}), timeout=30) as answer:  # noqa: S310 - checked above
        return json.load(answer)
