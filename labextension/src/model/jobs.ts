import type { Event, ServiceManager } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { Client } from '../api/client';
import { ApiError } from '../api/request';
import {
  Another,
  Hint,
  HINT_SCHEMA,
  JobPage,
  Refusal,
  State,
  Status,
  Summary,
  Verb
} from '../api/types';
import { DevicesModel } from './devices';
import { Estimates } from './estimates';
import { TasksModel } from './tasks';

/** The most jobs that the server lists, or acts on, at once. */
const PAGE = 1000;
const FALLBACK_S = 10;

/** How the page stands with the server extension; `refused` is a server that does not know this user, or not any more. */
export type Connection =
  'connecting' | 'live' | 'offline' | 'refused' | 'missing';

export interface Move {
  job: Summary;
  /** null where the job is new. */
  before: State | null;
}

/**
 * The jobs of this user in step with the server: hints of the event bus say that something changed, `changes` says what,
 * a slow poll catches what the bus lost. Views listen to `changed` and never fetch.
 */
export class JobsModel implements IDisposable {
  constructor(
    readonly client: Client,
    events: Event.IManager
  ) {
    this.devices = new DevicesModel(client);
    this.tasks = new TasksModel(client);
    this.estimates = new Estimates(client);
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
    document.addEventListener('visibilitychange', this._onVisible);
  }

  static over(services: ServiceManager.IManager): JobsModel {
    return new JobsModel(new Client(services.serverSettings), services.events);
  }

  /** The site's devices; asked for when somebody looks at them first. */
  readonly devices: DevicesModel;

  /** Quantum tasks at the broker, where there is one. */
  readonly tasks: TasksModel;

  /** When jobs may start, for who asked. */
  readonly estimates: Estimates;

  get connection(): Connection {
    return this._connection;
  }

  /** What the last failed request said; '' while all is well. */
  get trouble(): string {
    return this._trouble;
  }

  /** When the server last answered, in seconds since 1970, UTC; null before it did. */
  get heardAt(): number | null {
    return this._heardAt;
  }

  get status(): Status | null {
    return this._status;
  }

  /** Whether this user may act on jobs; false until the server has said so. */
  get writable(): boolean {
    return this._status?.writable ?? false;
  }

  /** Whether the first page of jobs is here. */
  get loaded(): boolean {
    return this._loaded;
  }

  /** Newest first; another array after each change. */
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
  get moved(): ISignal<this, Move> {
    return this._moved;
  }

  /** The ids of jobs that are new or of which any fact changed. */
  get updated(): ISignal<this, readonly string[]> {
    return this._updated;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  find(id: string): Summary | undefined {
    return this._byId.get(id);
  }

  /** Whether this page listed the job before its folder was removed. */
  isGone(id: string): boolean {
    return this._gone.has(id);
  }

  /** The verb that the server is carrying out for this job on behalf of this page. */
  pending(id: string): Verb | undefined {
    return this._pending.get(id);
  }

  /**
   * Asks the server to do `verb` to these jobs; what it refused comes back with reasons. What is under way for a job is not
   * begun once more: a double click means one.
   */
  async act(
    verb: Verb,
    wanted: readonly string[],
    another: Another = {}
  ): Promise<Refusal[]> {
    const isPlain = Object.keys(another).length === 0;
    const ids = wanted.filter(id => !isPlain || this.pending(id) !== verb);
    if (ids.length === 0) {
      return [];
    }
    ids.forEach(id => this._pending.set(id, verb));
    this._changed.emit();
    try {
      const refusals =
        verb === 'rerun'
          ? await this._rerun(ids, another)
          : await this._ask(verb, ids);
      // it is done, whether or not the server can say now what has become of it
      await this._catchUp().catch(error => this._fail(error as Error));
      return refusals;
    } finally {
      ids.forEach(id => this._pending.delete(id));
      if (!this._disposed) {
        this._changed.emit();
      }
    }
  }

  /** Asks for everything now. */
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
    document.removeEventListener('visibilitychange', this._onVisible);
    this._events.disconnect(this._onEvent, this);
    this._poll.dispose();
    this.devices.dispose();
    this.tasks.dispose();
    Signal.clearData(this);
  }

  private _onVisible = (): void => {
    if (!document.hidden) {
      void this._poll.refresh();
    }
  };

  private _onEvent(_: unknown, event: Event.Emission): void {
    if (event.schema_id !== HINT_SCHEMA) {
      return;
    }
    const hint = event as unknown as Hint;
    if (hint.kind === 'devices') {
      void this.devices.refresh();
    }
    if (hint.epoch !== this._epoch) {
      void this._poll.refresh(); // another server: it may speak another version
    } else if (hint.seq > this._seq) {
      this._catchUp().catch(error => this._fail(error));
    }
  }

  private async _sync(): Promise<void> {
    try {
      const status = await this.client.status();
      this._status = status;
      this._outdated ||= status.epoch !== this._epoch;
      await this._catchUp();
    } catch (error) {
      this._fail(error as Error);
      throw error;
    }
  }

  /** One request at a time; what is wanted meanwhile is asked once more at the end. */
  private _catchUp(): Promise<void> {
    this._wanted = true;
    this._catching ??= this._drain().finally(() => {
      this._catching = null;
    });
    return this._catching;
  }

  private async _drain(): Promise<void> {
    while (this._wanted && !this._disposed) {
      this._wanted = false;
      if (this._outdated) {
        await this._load();
      } else {
        await this._fetchChanges();
      }
    }
  }

  private async _fetchChanges(): Promise<void> {
    const changes = await this.client.changes(this._epoch, this._seq);
    if (!changes.complete) {
      return this._load();
    }
    if (this._disposed) {
      return;
    }
    this._forget(changes.removed);
    const moves = this._keep(changes.jobs);
    this._seq = changes.seq;
    this._counts = changes.counts;
    this._say('live', '');
    moves.forEach(move => this._moved.emit(move));
    this._updated.emit([
      ...changes.removed,
      ...changes.jobs.map(job => job.id)
    ]);
  }

  private async _load(): Promise<void> {
    const first = await this.client.jobs({ limit: PAGE });
    if (this._disposed) {
      return;
    }
    const seen = new Set<string>();
    const moves: Move[] = [];
    const take = (page: JobPage): void => {
      page.jobs.forEach(job => seen.add(job.id));
      // of jobs loaded anew only those that were here before can have moved: the others are history
      moves.push(...this._keep(page.jobs).filter(move => move.before !== null));
      this._say('live', '');
    };
    this._epoch = first.epoch;
    this._seq = first.seq;
    this._counts = first.counts;
    take(first);
    for (let fetched = first.jobs.length; fetched < first.total;) {
      const next = await this.client.jobs({ offset: fetched, limit: PAGE });
      if (this._disposed || next.jobs.length === 0) {
        break;
      }
      fetched += next.jobs.length;
      take(next);
    }
    this._forget([...this._byId.keys()].filter(id => !seen.has(id)));
    this._outdated = false; // not before: a page that is missing is asked for anew
    this._say('live', '');
    moves.forEach(move => this._moved.emit(move));
    this._updated.emit([...this._byId.keys()]);
  }

  private _forget(ids: readonly string[]): void {
    if (ids.length > 0) {
      ids.filter(id => this._byId.delete(id)).forEach(id => this._gone.add(id));
      this._jobs = [...this._byId.values()];
    }
  }

  private _keep(jobs: readonly Summary[]): Move[] {
    const moves: Move[] = [];
    let added = false;
    for (const job of jobs) {
      const before = this._byId.get(job.id)?.state ?? null;
      added ||= before === null;
      this._byId.set(job.id, job);
      if (before !== job.state) {
        moves.push({ job, before });
      }
    }
    this._jobs = [...this._byId.values()];
    if (added) {
      this._jobs = [...this._jobs].sort((a, b) => (a.id < b.id ? 1 : -1));
      this._byId = new Map(this._jobs.map(job => [job.id, job]));
    }
    this._loaded = true;
    return moves;
  }

  private async _ask(verb: Verb, ids: readonly string[]): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    for (let begin = 0; begin < ids.length; begin += PAGE) {
      const some = ids.slice(begin, begin + PAGE);
      refusals.push(...(await this.client.act(verb, some)).refusals);
    }
    return refusals;
  }

  private async _rerun(
    ids: readonly string[],
    another: Another
  ): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    for (const id of ids) {
      try {
        await this.client.rerun(id, another);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0) {
          throw error;
        }
        const why = [error.message, error.advice].filter(Boolean).join(' ');
        refusals.push({ job_id: id, why });
      }
    }
    return refusals;
  }

  private _fail(error: Error): void {
    const status = error instanceof ApiError ? error.status : 0;
    const missing = error instanceof ApiError && error.isMissingExtension;
    const refused = status === 401 || status === 403;
    this._say(
      missing ? 'missing' : refused ? 'refused' : 'offline',
      error.message
    );
  }

  private _say(connection: Connection, trouble: string): void {
    if (this._disposed) {
      return;
    }
    if (connection === 'live') {
      this._heardAt = Date.now() / 1000;
    }
    this._connection = connection;
    this._trouble = trouble;
    this._changed.emit();
  }

  private readonly _poll: Poll;
  private readonly _events: Event.Stream;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _moved = new Signal<this, Move>(this);
  private readonly _updated = new Signal<this, readonly string[]>(this);
  private readonly _pending = new Map<string, Verb>();
  private _connection: Connection = 'connecting';
  private _trouble = '';
  private _heardAt: number | null = null;
  private _status: Status | null = null;
  private _loaded = false;
  private _byId = new Map<string, Summary>();
  private _jobs: readonly Summary[] = [];
  private readonly _gone = new Set<string>();
  private _counts: Partial<Record<State, number>> = {};
  private _epoch = '';
  private _seq = 0;
  private _outdated = true;
  private _wanted = false;
  private _catching: Promise<void> | null = null;
  private _disposed = false;
}
