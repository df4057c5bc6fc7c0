import type { Job, JobRecord, State } from '../api/types';

const START = 1_790_000_000;

/** A record as a card saves it. */
export function record(over: Partial<JobRecord> = {}): JobRecord {
  return {
    id: '01kayt4w2-7qm3xd',
    name: 'GHZ parity',
    tier: 'emulation',
    device: 'kingston',
    resource: '',
    site: 'embedded',
    profile: 'development',
    shots: 4000,
    time_s: 600,
    state: 'queued',
    cause: null,
    message: '',
    advice: '',
    reason: '',
    phase: '',
    phase_text: '',
    starts_by: null,
    created_at: START,
    submitted_at: START + 1,
    started_at: null,
    running_at: null,
    ended_at: null,
    waiting_s: null,
    running_s: null,
    site_id: '17',
    size: null,
    done: null,
    element: null,
    attempts: [attempt(1, over.state ?? 'queued')],
    notes: [],
    as_of: START + 2,
    stale_since: null,
    ...over
  };
}

/** What the server answers for one job. */
export function job(over: Partial<Job> = {}): Job {
  return {
    ...record(over),
    short_id: '7qm3xd',
    lines: [['state', `◷ ${over.state ?? 'queued'}`]],
    folder: '/home/ada/jobs/01kayt4w2-7qm3xd',
    requested: {},
    actions: ['cancel'],
    ...over
  };
}

export function attempt(number: number, state: State) {
  return {
    number,
    state,
    queued_at: START,
    started_at: null,
    running_at: null,
    ended_at: null,
    reason: '',
    word: '',
    cause: null,
    message: '',
    advice: '',
    phase: ''
  };
}
