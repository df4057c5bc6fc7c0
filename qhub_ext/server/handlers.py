"""The verbs: read, ask, write. What the answers hold is made in `qhub_ext.server.answers`."""

from __future__ import annotations

from qhub_ext.job.context import TIERS
from qhub_ext.job.state import State
from qhub_ext.server import answers
from qhub_ext.server.base import DEVICES, JOBS, SITE, QhubHandler, may

STATES = tuple(state.value for state in State)
MOMENT_S = 1.0
"""Answers this old are still taken: who asks within a second of another asks for the same."""


class StatusHandler(QhubHandler):
    @may("read", SITE)
    async def get(self) -> None:
        found = await self.desk.share(answers.status, max_age_s=MOMENT_S)
        self.reply(found | {"writable": await self.may("execute")})


class DevicesHandler(QhubHandler):
    @may("read", DEVICES)
    async def get(self) -> None:
        tiers = self.one_of("tier", TIERS)
        self.reply(await self.desk.share(answers.devices, tiers[0] if tiers else "", max_age_s=30))


class CalibrationHandler(QhubHandler):
    @may("read", DEVICES)
    async def get(self, name: str) -> None:
        self.reply(await self.desk.ask(answers.calibration, name))


class QueueHandler(QhubHandler):
    @may("read", SITE)
    async def get(self) -> None:
        self.reply(await self.desk.share(answers.queue, max_age_s=MOMENT_S))


class JobsHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self) -> None:
        tiers, states = self.one_of("tier", TIERS), self.one_of("state", STATES)
        offset, limit = self.whole("offset", 0), self.whole("limit", 100, 1, 1000)
        text = self.get_query_argument("text", "")
        self.reply(await self.desk.ask(answers.jobs, states, tiers, text, offset, limit))


class JobHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.share(answers.job, self.job(job), max_age_s=MOMENT_S))


class OutputsHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        attempt, after = self.whole("attempt", 0), self.whole("after", 0)
        self.reply(await self.desk.ask(answers.outputs, self.job(job), attempt, after))


class ExplainHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.share(answers.explain, self.job(job), max_age_s=MOMENT_S))


class ActionHandler(QhubHandler):
    """POST jobs/JOB/cancel and the like."""

    @may("execute", JOBS)
    async def post(self, job: str, verb: str) -> None:
        answer = await self.desk.ask(answers.act, verb, self.job(job))
        self.desk.forget(job)
        self.reply(answer)


class ActionsHandler(QhubHandler):
    """One verb for many jobs."""

    @may("execute", JOBS)
    async def post(self) -> None:
        verb, ids = answers.read_action(self.body())
        answer = await self.desk.ask(answers.act_on_many, verb, ids)
        self.desk.forget(*ids)
        self.reply(answer)
