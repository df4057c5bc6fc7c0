"""The verbs: read, ask, write. What the answers hold is made in `qhub_ext.server.answers`."""

from __future__ import annotations

from qhub_ext.diagnosis.fleet.viewer import KEYS
from qhub_ext.job.context import TIERS
from qhub_ext.job.identity import short_id
from qhub_ext.job.state import State
from qhub_ext.server import answers, learning, one_job, submission, traces
from qhub_ext.server.archive import zip_pieces
from qhub_ext.server.base import DEVICES, FLEET, JOBS, SITE, QhubHandler, may
from qhub_ext.server.feed import page

STATES = tuple(state.value for state in State)
MOMENT_S = 1.0
"""Answers this old are still taken, unless the monitor saw a change: who asks within a second of another asks for the same."""
TIERS_S = 10.0
ESTIMATE_S = 15.0
"""A site plans about twice a minute: who asks sooner is told the same, and how old it is."""
TEXT = "text/plain; charset=utf-8"


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
        self.reply(await self.desk.devices(tiers[0] if tiers else ""))


class CalibrationHandler(QhubHandler):
    @may("read", DEVICES)
    async def get(self, name: str) -> None:
        self.reply(await self.desk.ask(answers.calibration, self.device(name)))


class QueueHandler(QhubHandler):
    @may("read", SITE)
    async def get(self) -> None:
        await self.monitor.attend()
        self.reply(await self.desk.queue())


class TasksHandler(QhubHandler):
    @may("read", SITE)
    async def get(self) -> None:
        await self.monitor.attend()
        jobs = {record.site_id or record.id: record.id for record in self.monitor.records.values()}
        self.reply(await self.desk.share(answers.tasks, max_age_s=MOMENT_S, beside=(jobs,)))


class JobsHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self) -> None:
        tiers, states = self.one_of("tier", TIERS), self.one_of("state", STATES)
        offset, limit = self.whole("offset", 0), self.whole("limit", 100, 1, 1000)
        self.reply(page(await self.monitor.attend(), states, tiers, self.get_query_argument("text", ""), offset, limit))

    @may("write", JOBS)
    async def post(self) -> None:
        wanted, key = submission.read_submission(self.body()), self.request.headers.get("Idempotency-Key", "")
        answer, is_new = await self.desk.submit(wanted, key)
        self.created(answer, is_new=is_new)


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
        self.reply(await self.desk.share(one_job.job, self.job(job), max_age_s=MOMENT_S, beside=told))


class EventsHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.ask(one_job.events, self.job(job), self.whole("after", 0)))


class OutputsHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        attempt, after = self.whole("attempt", 0), self.whole("after", 0)
        self.reply(await self.desk.ask(one_job.outputs, self.job(job), attempt, after))


class LogsHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        attempt = self.whole("attempt", 0)
        if self.flag("follow"):
            await self.stream(TEXT, self.desk.follow(self.job(job), attempt))
            return
        text = await self.desk.ask(one_job.logs, self.job(job), attempt)
        self.finish(text.encode("utf-8", "replace"), set_content_type=TEXT)


class ScriptHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.ask(one_job.script, self.job(job)))


class DetailHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.ask(one_job.detail, self.job(job)))


class TraceHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.ask(traces.trace, self.job(job)))


class TraceFigureHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.ask(traces.figure, self.job(job)))


class ComparisonHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str, other: str) -> None:
        self.reply(await self.desk.ask(traces.comparison, self.job(job), self.job(other)))


class ExplainHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.share(one_job.explain, self.job(job), self.flag("others"), max_age_s=MOMENT_S))


class EstimateHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        self.reply(await self.desk.share(one_job.estimate, self.job(job), max_age_s=ESTIMATE_S))


class ArchiveHandler(QhubHandler):
    @may("read", JOBS)
    async def get(self, job: str) -> None:
        folder = await self.desk.ask(one_job.known, self.job(job))
        self.set_header("Content-Disposition", f'attachment; filename="qhub-{short_id(job)}.zip"')
        await self.stream("application/zip", self.desk.iterate(zip_pieces(folder.path, f"qhub-{short_id(job)}")))


class RerunHandler(QhubHandler):
    @may("write", JOBS)
    async def post(self, job: str) -> None:
        answer = await self.desk.act(submission.rerun, self.job(job), self.body())
        self.created(answer)


class ActionHandler(QhubHandler):
    """POST jobs/JOB/cancel and the like."""

    @may("execute", JOBS)
    async def post(self, job: str, verb: str) -> None:
        await self.monitor.attend()
        self.reply(await self.desk.act_on(self.job(job), verb))


class ActionsHandler(QhubHandler):
    """One verb for many jobs."""

    @may("execute", JOBS)
    async def post(self) -> None:
        answer = await self.desk.act(answers.act_on_many, *answers.read_action(self.body()))
        self.reply(answer | {"seq": self.monitor.feed.seq})


class TutorialsHandler(QhubHandler):
    @may("write", SITE)
    async def post(self) -> None:
        self.reply(await self.desk.ask(learning.copy_tutorials, self.desk.root, learning.read_folder(self.body())))


class FleetHandler(QhubHandler):
    @may("read", FLEET)
    async def get(self) -> None:
        by, days = self.one_of("by", KEYS), self.whole("days", 7, 1, 365)
        self.reply(await self.desk.share(answers.fleet, by[0] if by else "device", days, max_age_s=TIERS_S))


class DoctorHandler(QhubHandler):
    @may("read", SITE)
    async def get(self) -> None:
        self.reply(await self.desk.share(answers.doctor, max_age_s=MOMENT_S))
