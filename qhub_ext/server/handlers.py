"""The verbs: read, ask, write. What the answers hold is made in `qhub_ext.server.answers`."""

from __future__ import annotations

from qhub_ext.job.context import TIERS
from qhub_ext.job.state import State
from qhub_ext.server import answers
from qhub_ext.server.base import DEVICES, JOBS, SITE, QhubHandler, may
from qhub_ext.server.feed import page

STATES = tuple(state.value for state in State)
MOMENT_S = 1.0
"""Answers this old are still taken, unless the monitor saw a change: who asks within a second of another asks for the same."""
TIERS_S = 10.0


class StatusHandler(QhubHandler):
    @may("read", SITE)
    async def get(self) -> None:
        await self.monitor.attend()
        found = await self.desk.share(answers.choice, max_age_s=TIERS_S)
        self.reply(answers.status(self.monitor, found) | {"writable": await self.may("execute")})


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
        await self.monitor.attend()
        self.reply(await self.desk.queue())


class JobsHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self) -> None:
        tiers, states = self.one_of("tier", TIERS), self.one_of("state", STATES)
        offset, limit = self.whole("offset", 0), self.whole("limit", 100, 1, 1000)
        self.reply(page(await self.monitor.attend(), states, tiers, self.get_query_argument("text", ""), offset, limit))


class ChangesHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self) -> None:
        epoch, after = self.get_query_argument("epoch", ""), self.whole("after", 0)
        self.reply(answers.changes(await self.monitor.attend(), epoch, after))


class JobHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        await self.monitor.attend()
        told = (self.monitor.record(job),)
        self.reply(await self.desk.share(answers.job, self.job(job), max_age_s=MOMENT_S, beside=told))


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
        answer = await self.desk.act(answers.act, verb, self.job(job))
        self.reply(answer | {"job": await self.desk.line(job)})


class ActionsHandler(QhubHandler):
    """One verb for many jobs."""

    @may("execute", JOBS)
    async def post(self) -> None:
        answer = await self.desk.act(answers.act_on_many, *answers.read_action(self.body()))
        self.reply(answer | {"seq": self.monitor.feed.seq})
