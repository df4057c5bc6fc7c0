"""The fleet over HTTP: summaries come in, and what they say together goes out. Users see counts, and of what failed their own; operators names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from pydantic import Field

from qhub_ext.broker.api import Body
from qhub_ext.broker.front import Front, Words
from qhub_ext.broker.summaries import DAY_S, Summaries
from qhub_ext.settings import BrokerSettings

MOST = 200
Days = Annotated[float, Query(ge=1 / DAY_S, le=3650)]
By = Annotated[
    Literal["device", "node", "cause", "signature", "version", "profile", "tier", "snapshot", "user"], Query()
]


class SummariesBody(Body):
    """Each a `qhub.summary/1`: one that cannot be taken does not keep the others from it."""

    summaries: list[Any] = Field(max_length=MOST)


def add_fleet(app: FastAPI, front: Front, summaries: Summaries, given: BrokerSettings) -> None:
    from qhub_ext.diagnosis.fleet.viewer import Viewer

    def viewer(request: Request) -> Viewer:
        who = front.caller(request)
        return Viewer(who.user, names=who.operator)

    @app.post("/v1/summaries", status_code=201)
    def take(body: SummariesBody, request: Request) -> dict[str, Any]:
        """Of the caller's own attempts, whoever the caller is by the socket, MUNGE or a token. Sent again, they are known."""
        who = front.caller(request)
        taken, refused = summaries.take(who.uid, who.user, body.summaries)
        return {"taken": taken, "known": len(body.summaries) - taken - len(refused), "refused": refused}

    @app.get("/v1/fleet")
    def fleet(request: Request, days: Days = 7.0, by: By = "signature") -> dict[str, Any]:
        """What ended in the last days, by one thing, and clusters of like failures: each systemic, one user's, spread, or too few to say."""
        from qhub_ext.diagnosis.fleet.answers import overview

        who, now = viewer(request), front.desk.clock()
        return overview(summaries.fleet(), who, by, now - days * DAY_S, now + DAY_S)

    @app.get("/v1/fleet/jobs/{job}")
    def of_job(job: Annotated[Words, Field(max_length=80)], request: Request, days: Days = 7.0) -> dict[str, Any]:
        """Whether what ended a job of one's own is met by others."""
        from qhub_ext.diagnosis.fleet.answers import of_job as answer

        who, now = viewer(request), front.desk.clock()
        return answer(summaries.fleet(), who, job, now - days * DAY_S, now + DAY_S)

    @app.get("/v1/fleet-levels")
    def levels(request: Request, days: Days = 7.0) -> dict[str, Any]:
        """Waits by profile against the site's targets, use of devices, time lost by cause. It names nobody."""
        from qhub_ext.diagnosis.fleet.slo import service_levels

        front.caller(request)
        now = front.desk.clock()
        since = now - days * DAY_S
        used = dict.fromkeys(front.desk.devices, 0.0)
        for row in front.desk.ledger.accounts.usage(since):
            used[row["device"]] = used.get(row["device"], 0.0) + row["qpu_s"]
        return service_levels(summaries.fleet(), given.wait_targets_s, given.wait_share, used, since, now)
