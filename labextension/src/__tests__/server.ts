import type { Event } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import type { Client } from '../api/client';
import {
  Another,
  Changes,
  Device,
  Estimate,
  Explanation,
  HINT_SCHEMA,
  Refusal,
  State,
  Status,
  Summary,
  Task,
  Verb
} from '../api/types';
import { ApiError } from '../api/request';
import { JobsModel } from '../model/jobs';
import { job } from './records';

const START = 1_790_000_000;

/** A job as the server lists it; ids sort by `age`, the youngest first. */
export function summary(
  id: string,
  state: State,
  over: Partial<Summary> = {}
): Summary {
  return {
    id,
    short_id: id.split('-').pop()!,
    name: `job ${id}`,
    tier: 'emulation',
    device: 'kingston',
    site: 'embedded',
    state,
    cause: null,
    message: '',
    reason: '',
    phase: '',
    phase_text: '',
    starts_by: null,
    created_at: START,
    submitted_at: START,
    running_at: null,
    ended_at: null,
    size: null,
    done: null,
    as_of: START,
    stale_since: null,
    ...over
  };
}

/** Stands where the server does: it keeps jobs, numbers their changes and hints at them, as `qhub_ext.server` does. */
export class PretendServer {
  epoch = 'e1';
  seq = 1;
  writable = true;
  /** What every request throws, until it is null again. */
  failure: Error | null = null;
  /** Pages of jobs from this offset on fail. */
  failsFrom = Infinity;
  failsChanges = false;
  devicesList: Device[] = [];
  tiers: Status['tiers'] = [
    { name: 'local', title: 'Local', open: true, why: '', noise: 'none' },
    {
      name: 'emulation',
      title: 'Emulation',
      open: true,
      why: '',
      noise: "the snapshot's"
    },
    {
      name: 'qpu',
      title: 'QPU',
      open: false,
      why: 'No resource stands for a device.',
      noise: 'its own'
    }
  ];
  staleSince: number | null = null;
  refusals: Refusal[] = [];
  tasksList: Task[] | null = null;
  estimate: Estimate = { earliest: null, latest: null, why: '', as_of: START };
  explanation: Explanation = {
    cause: '',
    sentence: '',
    audience: '',
    advice: ''
  };
  readonly requests: string[] = [];
  readonly acts: [Verb, readonly string[]][] = [];
  /** What reruns had another of. */
  readonly others: Another[] = [];

  constructor(jobs: Summary[] = []) {
    jobs.forEach(job => this._jobs.set(job.id, job));
  }

  readonly stream = new Signal<object, Event.Emission>(this);

  get events(): Event.IManager {
    return { stream: this.stream } as unknown as Event.IManager;
  }

  /** Changes a job, and hints at it unless told not to. */
  put(job: Summary, hint = true): void {
    this.seq += 1;
    this._jobs.set(job.id, job);
    this._changed.set(job.id, this.seq);
    if (hint) {
      this.hint(job);
    }
  }

  remove(id: string): void {
    this.seq += 1;
    this._jobs.delete(id);
    this._removed.set(id, this.seq);
    this.hint({ id, state: 'lost' });
  }

  hint(job: Pick<Summary, 'id' | 'state'>, kind = 'job'): void {
    this.stream.emit({
      schema_id: HINT_SCHEMA,
      kind,
      id: job.id,
      state: job.state,
      seq: this.seq,
      epoch: this.epoch
    } as unknown as Event.Emission);
  }

  /** Forgets all sequence numbers, as a server that was killed and started again. */
  restart(): void {
    this.epoch = `${this.epoch}'`;
    this.seq = 1;
    this._changed.clear();
    this._removed.clear();
  }

  get client(): Client {
    const asked = <T>(what: string, answer: () => T): Promise<T> => {
      this.requests.push(what);
      return this.failure
        ? Promise.reject(this.failure)
        : Promise.resolve().then(answer);
    };
    return {
      status: () => asked('status', () => this._status()),
      devices: () => asked('devices', () => this.devicesList),
      tasks: () =>
        asked('tasks', () => ({
          tasks: this.tasksList ?? [],
          total: this.tasksList?.length ?? 0,
          as_of: START
        })),
      job: (id: string) =>
        asked(`job ${id}`, () => job({ ...this._jobs.get(id), notes: [] })),
      explain: (id: string) => asked(`explain ${id}`, () => this.explanation),
      estimate: (id: string) => asked(`estimate ${id}`, () => this.estimate),
      jobs: (filter: { offset?: number; limit?: number }) =>
        asked('jobs', () =>
          this._page(filter.offset ?? 0, filter.limit ?? 100)
        ),
      changes: (epoch: string, after: number) =>
        asked('changes', () => this._changes(epoch, after)),
      act: (verb: Verb, ids: string[]) =>
        asked(verb, () => {
          this.acts.push([verb, ids]);
          return { refusals: this.refusals };
        }),
      tutorials: () =>
        asked('tutorials', () => ({
          path: 'qhub-tutorials',
          notebooks: [
            {
              path: 'qhub-tutorials/01-first-job.ipynb',
              title: '01 · A first job',
              here: 'copied'
            }
          ]
        })),
      rerun: (id: string, another: Another) =>
        asked('rerun', () => {
          const refusal = this.refusals.find(({ job_id }) => job_id === id);
          if (refusal) {
            throw new ApiError(refusal.why, 404, '', 'user');
          }
          this.acts.push(['rerun', [id]]);
          this.others.push(another);
          return { id: `${id}-again`, short_id: 'again' };
        })
    } as unknown as Client;
  }

  model(): JobsModel {
    return new JobsModel(this.client, this.events);
  }

  private _status(): Status {
    return {
      version: '0.1.0',
      epoch: this.epoch,
      seq: this.seq,
      site: { name: 'embedded', as_of: START, stale_since: this.staleSince },
      broker: this.tasksList !== null,
      chosen: { tier: 'emulation', device: 'kingston' },
      tiers: this.tiers,
      counts: { running: 0, waiting: 0 },
      writable: this.writable
    };
  }

  private _page(offset: number, limit: number) {
    if (offset >= this.failsFrom) {
      throw new ApiError('Failed to fetch', 0);
    }
    const all = [...this._jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
    return {
      jobs: all.slice(offset, offset + limit),
      total: all.length,
      counts: this._counts(),
      epoch: this.epoch,
      seq: this.seq
    };
  }

  private _changes(epoch: string, after: number): Changes {
    if (this.failsChanges) {
      throw new ApiError('Failed to fetch', 0);
    }
    const complete = epoch === this.epoch;
    const since = (seqs: Map<string, number>) =>
      complete ? [...seqs].filter(([, seq]) => seq > after) : [];
    return {
      epoch: this.epoch,
      seq: this.seq,
      jobs: since(this._changed).flatMap(([id]) => this._jobs.get(id) ?? []),
      removed: since(this._removed).map(([id]) => id),
      counts: this._counts(),
      complete
    };
  }

  private _counts(): Partial<Record<State, number>> {
    const counts: Partial<Record<State, number>> = {};
    for (const { state } of this._jobs.values()) {
      counts[state] = (counts[state] ?? 0) + 1;
    }
    return counts;
  }

  private readonly _jobs = new Map<string, Summary>();
  private readonly _changed = new Map<string, number>();
  private readonly _removed = new Map<string, number>();
}
