import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';

import type { Attempt, JobRecord, State, Tier } from '../../api/types';
import { STATES } from '../../words';

const JOB_ID = /^[0-9a-hjkmnp-tv-z]{9}-[0-9a-hjkmnp-tv-z]{6}(\.[0-9]{1,6})?$/;
const MOST_ATTEMPTS = 1000;

/**
 * The record that a card carries in the notebook, or null where it is none. Anybody may have written it: what is not of
 * the right kind is left out, and nothing of it is believed once the server has spoken.
 */
export function readRecord(
  data: ReadonlyPartialJSONValue | undefined
): JobRecord | null {
  const from = asRecord(data);
  if (from === null || !isJobId(from.id)) {
    return null;
  }
  const attempts = Array.isArray(from.attempts) ? from.attempts : [];
  return {
    id: from.id,
    name: text(from.name),
    tier: text(from.tier) as Tier,
    device: text(from.device),
    resource: text(from.resource),
    site: text(from.site),
    profile: text(from.profile),
    shots: number(from.shots),
    time_s: number(from.time_s) ?? 0,
    state: state(from.state),
    cause: textOrNull(from.cause),
    message: text(from.message),
    advice: text(from.advice),
    reason: text(from.reason),
    phase: text(from.phase),
    phase_text: text(from.phase_text),
    starts_by: null,
    created_at: number(from.created_at) ?? 0,
    submitted_at: number(from.submitted_at),
    started_at: number(from.started_at),
    running_at: number(from.running_at),
    ended_at: number(from.ended_at),
    waiting_s: number(from.waiting_s),
    running_s: number(from.running_s),
    site_id: textOrNull(from.site_id),
    size: number(from.size),
    done: number(from.done),
    element: number(from.element),
    attempts: attempts.slice(0, MOST_ATTEMPTS).map(readAttempt),
    notes: (Array.isArray(from.notes) ? from.notes : []).map(text),
    as_of: number(from.as_of),
    stale_since: number(from.stale_since)
  };
}

export function isJobId(value: unknown): value is string {
  return typeof value === 'string' && JOB_ID.test(value);
}

/** The latest moment that the record speaks of: at least that new is what it says. */
export function savedAt(record: JobRecord): number {
  return Math.max(
    record.as_of ?? 0,
    record.ended_at ?? 0,
    record.running_at ?? 0,
    record.started_at ?? 0,
    record.submitted_at ?? 0,
    record.created_at
  );
}

function readAttempt(value: unknown, index: number): Attempt {
  const from = asRecord(value) ?? {};
  return {
    number: number(from.number) ?? index + 1,
    state: state(from.state),
    queued_at: number(from.queued_at),
    started_at: number(from.started_at),
    running_at: number(from.running_at),
    ended_at: number(from.ended_at),
    reason: text(from.reason),
    word: text(from.word),
    cause: textOrNull(from.cause),
    message: text(from.message),
    advice: text(from.advice),
    phase: text(from.phase)
  };
}

function asRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && isFinite(value) ? value : null;
}

function state(value: unknown): State {
  return STATES.includes(value as State) ? (value as State) : 'lost';
}
