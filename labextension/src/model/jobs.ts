import type { Event, ServiceManager } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { Client } from '../api/client';
import { ApiError } from '../api/request';
import { Hint, HINT_SCHEMA, State, Status, Summary } from '../api/types';

const PAGE = 1000;
const FALLBACK_S = 10;

/** How the page stands with the server extension. */
export type Connection = 'connecting' | 'live' | 'offline' | 'missing';

/**
 * The jobs of this user in step with the server: hints of the event bus say that something changed, `changes` says what,
 * a slow poll catches what the bus lost. Views listen to `changed` and never fetch.
 */
export class JobsModel implements IDisposable {
  constructor(
    readonly client: Client,
    events: Event.IManager
  ) {
    this._poll = new Poll({
      name: 'qhub-ext:jobs',
      factory: () => this._sync(),
      frequency: {
        interval: FALLBACK_S * 1000,
        backoff: true,
        max: 60_000
      },
      standby: 'when-hidden'
    });
    this._events = events.stream;
    this._events.connect(this._onEvent, this);
  }

  static over(services: ServiceManager.IManager): JobsModel {
    return new JobsModel(new Client(services.serverSettings), services.events);
  }

  get connection(): Connection {
    return this._connection;
  }

  /** What the last failed request said; '' while all is well. */
  get trouble(): string {
    return this._trouble;
  }

  get status(): Status | null {
    return this._status;
  }

  /** Newest first. */
  get jobs(): readonly Summary[] {
    return this._jobs;
  }

  get counts(): Partial<Record<State, number>> {
    return this._counts;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** A job that went from one state to another while this page looked. */
  get moved(): ISignal<this, { job: Summary; before: State | null }> {
    return this._moved;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  find(id: string): Summary | undefined {
    return this._byId.get(id);
  }

  refresh(): Promise<void> {
    return this._poll
      .refresh()
      .then(() => this._poll.tick.then(() => undefined));
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._events.disconnect(this._onEvent, this);
    this._poll.dispose();
    Signal.clearData(this);
  }

  private _onEvent(_: unknown, event: Event.Emission): void {
    if (event.schema_id !== HINT_SCHEMA) {
      return;
    }
    const hint = event as unknown as Hint;
    if (hint.epoch !== this._epoch || hint.seq > this._seq) {
      void this._poll.refresh();
    }
  }

  private async _sync(): Promise<void> {
    try {
      const status = await this.client.status();
      if (status.epoch === this._epoch) {
        await this._catchUp();
      } else {
        await this._load();
      }
      this._status = status;
      this._say('live', '');
    } catch (error) {
      if (this._disposed) {
        return;
      }
      const missing = error instanceof ApiError && error.isMissingExtension;
      this._say(missing ? 'missing' : 'offline', (error as Error).message);
      throw error;
    }
  }

  private async _catchUp(): Promise<void> {
    const changes = await this.client.changes(this._epoch, this._seq);
    if (!changes.complete) {
      await this._load();
      return;
    }
    for (const id of changes.removed) {
      this._byId.delete(id);
    }
    for (const job of changes.jobs) {
      this._keep(job);
    }
    this._seq = changes.seq;
    this._counts = changes.counts;
    this._sort();
  }

  private async _load(): Promise<void> {
    const first = await this.client.jobs({ limit: PAGE });
    const all = [...first.jobs];
    while (all.length < first.total) {
      const next = await this.client.jobs({ offset: all.length, limit: PAGE });
      if (next.jobs.length === 0) {
        break;
      }
      all.push(...next.jobs);
    }
    this._byId = new Map(all.map(job => [job.id, job]));
    this._epoch = first.epoch;
    this._seq = first.seq;
    this._counts = first.counts;
    this._sort();
  }

  private _keep(job: Summary): void {
    const before = this._byId.get(job.id)?.state ?? null;
    this._byId.set(job.id, job);
    if (before !== job.state) {
      this._moved.emit({ job, before });
    }
  }

  private _sort(): void {
    this._jobs = [...this._byId.values()].sort((a, b) =>
      a.id < b.id ? 1 : -1
    );
  }

  private _say(connection: Connection, trouble: string): void {
    this._connection = connection;
    this._trouble = trouble;
    this._changed.emit();
  }

  private readonly _poll: Poll;
  private readonly _events: Event.Stream;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _moved = new Signal<
    this,
    { job: Summary; before: State | null }
  >(this);
  private _connection: Connection = 'connecting';
  private _trouble = '';
  private _status: Status | null = null;
  private _byId = new Map<string, Summary>();
  private _jobs: readonly Summary[] = [];
  private _counts: Partial<Record<State, number>> = {};
  private _epoch = '';
  private _seq = 0;
  private _disposed = false;
}
