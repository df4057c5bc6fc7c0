"""The ledger's tables, step by step: one of an earlier version is taken on by the steps that it has not made yet."""

from __future__ import annotations

TIME_BOUNDS_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Up to so long tasks waited, or ran: counted as they begin and end."""


def _place(length: str) -> str:
    """SQL: the first bound that a length does not pass, by its number."""
    cases = " ".join(f"WHEN {length} <= {bound!r} THEN {n}" for n, bound in enumerate(TIME_BOUNDS_S))
    return f"CASE {cases} ELSE {len(TIME_BOUNDS_S)} END"


def _counted(what: str, begin: str, end: str) -> str:
    length = f"CASE WHEN {end} > {begin} THEN {end} - {begin} ELSE 0 END"
    return (
        f"INSERT INTO times SELECT profile, '{what}', {_place(f'({length})')}, count(*), sum({length}) FROM tasks "
        f"WHERE profile IS NOT NULL AND {begin} IS NOT NULL AND {end} IS NOT NULL GROUP BY 1, 2, 3"
    )


STEPS = (
    """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, uid {int}, "user" TEXT, account TEXT, profile TEXT, job TEXT, key TEXT UNIQUE,
  created_at {real}, seen_at {real}, idle_s {real}, until {real}, ended_at {real});
CREATE TABLE tasks (
  id TEXT PRIMARY KEY, uid {int}, session TEXT, "user" TEXT, account TEXT, profile TEXT, job TEXT, device TEXT, program TEXT,
  submitted_at {real}, deadline_at {real}, started_at {real}, ended_at {real}, state TEXT, pieces TEXT, shots {int}, done {int},
  qpu_s {real}, cause TEXT, message TEXT, advice TEXT, digest TEXT);
CREATE INDEX tasks_open ON tasks (state) WHERE state NOT IN ('completed', 'failed', 'cancelled');
CREATE INDEX tasks_by_time ON tasks (submitted_at);
CREATE TABLE slices (
  task TEXT, number {int}, device TEXT, pieces TEXT, state TEXT, vendor TEXT, sent_at {real}, ended_at {real}, qpu_s {real}, snapshot TEXT,
  PRIMARY KEY (task, number));
CREATE TABLE windows (id {serial}, device TEXT, start {real}, length_s {real}, rule TEXT, note TEXT);
CREATE TABLE drained (device TEXT PRIMARY KEY, since {real}, note TEXT);
CREATE TABLE audit (at {real}, who TEXT, verb TEXT, what TEXT);
CREATE TABLE shares (owner TEXT PRIMARY KEY, seconds {real}, at {real})
""",
    """
ALTER TABLE tasks ADD COLUMN priority {int} NOT NULL DEFAULT 0;
CREATE INDEX slices_open ON slices (device) WHERE state IN ('sending', 'sent');
CREATE INDEX sessions_open ON sessions (uid) WHERE ended_at IS NULL;
CREATE TABLE limits (scope TEXT, name TEXT, what TEXT, value {real}, PRIMARY KEY (scope, name, what));
CREATE TABLE leases (id {serial}, device TEXT, session TEXT, "user" TEXT, profile TEXT, since {real}, until {real}, ended_at {real})
""",
    """
CREATE TABLE summaries (
  id {serial}, uid {int}, "user" TEXT, received_at {real}, job TEXT, attempt {int}, "array" TEXT, state TEXT, cause TEXT, signature TEXT,
  tier TEXT, site TEXT, device TEXT, profile TEXT, qos TEXT, node TEXT, versions TEXT, snapshot TEXT, submitted_at {real}, running_at {real},
  ended_at {real}, tasks {int}, qpu_s {real}, wall_ns {int}, parts_ns TEXT);
CREATE UNIQUE INDEX summaries_once ON summaries (uid, job, attempt);
CREATE INDEX summaries_by_end ON summaries (ended_at)
""",
    """
CREATE INDEX slices_ended ON slices (ended_at) WHERE state = 'done';
CREATE TABLE totals (device TEXT, profile TEXT, state TEXT, cause TEXT, n {int}, qpu_s {real}, PRIMARY KEY (device, profile, state, cause));
INSERT INTO totals SELECT device, profile, state, cause, count(*), 0 FROM tasks WHERE state IN ('completed', 'failed', 'cancelled')
  GROUP BY device, profile, state, cause;
INSERT INTO totals SELECT s.device, t.profile, 'slice', '', count(*), sum(s.qpu_s) FROM slices s JOIN tasks t ON t.id = s.task WHERE s.state = 'done'
  GROUP BY s.device, t.profile
""",
    f"""
ALTER TABLE tasks ADD COLUMN on_calibration_change TEXT NOT NULL DEFAULT 'flag';
ALTER TABLE tasks ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN on_calibration_change TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE slices ADD COLUMN stale {{int}} NOT NULL DEFAULT 0;
CREATE TABLE times (profile TEXT, what TEXT, bound {{int}}, n {{int}}, seconds {{real}}, PRIMARY KEY (profile, what, bound));
{_counted("wait", "submitted_at", "started_at")};
{_counted("run", "started_at", "ended_at")}
""",
    """
ALTER TABLE tasks ADD COLUMN turn_s {real} NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN place_of TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN preempted_by TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN kept_until {real};
UPDATE tasks SET kept_until = ended_at + 604800.0 WHERE ended_at IS NOT NULL;
CREATE INDEX tasks_kept ON tasks (kept_until) WHERE kept_until IS NOT NULL;
CREATE INDEX slices_by_device ON slices (device, sent_at);
CREATE TABLE lent (owner TEXT PRIMARY KEY, seconds {real}, at {real})
""",
    """
ALTER TABLE tasks ADD COLUMN long {int} NOT NULL DEFAULT 0
""",
)
VERSION = len(STEPS)
